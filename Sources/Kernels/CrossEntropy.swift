import Memory

#if canImport(Glibc)
import Glibc
#endif

/// Softmax cross-entropy of each row, in nats, and its gradient.
///
/// - Parameters:
///   - logits: `[n, classes]`; with a gradient they are used up.
///   - targets: `n` class numbers.
///   - gradient: takes `scale · (softmax - onehot(target))`; may be the logits. Nil computes the loss alone.
/// - Returns: the sum over the rows.
@specialized(where Element == Float)
@specialized(where Element == BFloat16)
public func softmaxCrossEntropy<Element: Scalar>(
  _ logits: Matrix, targets: UnsafePointer<Int32>, gradient: (into: MatrixView<Element>, scale: Float)?
) -> Double {
  let span = KernelClock.begin(.crossEntropy)
  defer { KernelClock.end(span) }
  var total = 0.0
  let classes = logits.columns
  for row in 0..<logits.rows {
    let values = logits.base + row * logits.stride
    let target = Int(targets[row])
    precondition(target >= 0 && target < classes, "target \(target) of \(classes) classes")
    let maximum = largest(values, count: classes)
    let goal = values[target]
    if let gradient {
      let sum = exponentials(of: values, minus: maximum, count: classes)
      total += Double(maximum) + log(Double(sum)) - Double(goal)
      values[target] -= sum
      scaled(Vector(values, count: classes), by: gradient.scale / sum, into: gradient.into.row(row))
    } else {
      total += Double(maximum) + log(Double(sumOfExponentials(values, minus: maximum, count: classes))) - Double(goal)
    }
  }
  return total
}

/// The largest of `count` floats.
func largest(_ values: UnsafePointer<Float>, count: Int) -> Float {
  var lanes = Lanes(repeating: -.infinity)
  var i = 0
  while i + 16 <= count {
    lanes = lanes.larger(Lanes.load(values + i))
    i += 16
  }
  var result = lanes.largest()
  while i < count {
    result = max(result, values[i])
    i += 1
  }
  return result
}

/// Overwrites `values` with `e^(value - offset)` and returns their sum.
func exponentials(of values: UnsafeMutablePointer<Float>, minus offset: Float, count: Int) -> Float {
  var sum = Lanes.zero
  var i = 0
  while i + 16 <= count {
    let e = exponential(Lanes.load(values + i) - offset)
    e.store(values + i)
    sum += e
    i += 16
  }
  var result = sum.total()
  while i < count {
    values[i] = expf(values[i] - offset)
    result += values[i]
    i += 1
  }
  return result
}

private func sumOfExponentials(_ values: UnsafePointer<Float>, minus offset: Float, count: Int) -> Float {
  var sum = Lanes.zero
  var i = 0
  while i + 16 <= count {
    sum += exponential(Lanes.load(values + i) - offset)
    i += 16
  }
  var result = sum.total()
  while i < count {
    result += expf(values[i] - offset)
    i += 1
  }
  return result
}

func multiply(_ values: UnsafeMutablePointer<Float>, by factor: Float, count: Int) {
  var i = 0
  while i + 16 <= count {
    (Lanes.load(values + i) * factor).store(values + i)
    i += 16
  }
  while i < count {
    values[i] *= factor
    i += 1
  }
}

/// The numerators of a softmax, `e^(inverseTemperature · (logit - largest logit))`; returns their sum.
public func softmaxWeights(_ logits: Vector, inverseTemperature: Float, into weights: Vector) -> Float {
  let highest = inverseTemperature * largest(logits.base, count: logits.count)
  return exponentials(of: logits, scale: inverseTemperature, minus: highest, into: weights)
}
