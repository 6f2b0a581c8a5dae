import Memory
import Tokens

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
  _ logits: Matrix, targets: UnsafePointer<Token>, gradient: (into: MatrixView<Element>, scale: Float)?
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
      let sum = exponentials(of: logits.row(row), scale: 1, minus: maximum, into: logits.row(row))
      total += Double(maximum) + log(Double(sum)) - Double(goal)
      values[target] -= sum
      scaled(logits.row(row), by: gradient.scale / sum, into: gradient.into.row(row))
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

/// `result = e^(scale · value - offset)`, 0 where there is no value; returns the sum, before anything is
/// rounded. The result may overwrite the values.
func exponentials<Element: Scalar>(
  of values: Vector, scale: Float, minus offset: Float, into result: VectorView<Element>
) -> Float {
  var lanes = Lanes.zero
  var i = 0
  while i + 16 <= values.count {
    let e = exponential(Lanes.load(values.base + i) * scale - offset)
    Element.store(e, to: result.base + i)
    lanes += e
    i += 16
  }
  var sum = lanes.total()
  while i < values.count {
    let e = expf(values[i] * scale - offset)
    result[i] = Element(e)
    sum += e
    i += 1
  }
  while i < result.count {
    result[i] = Element(0)
    i += 1
  }
  return sum
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

/// The numerators of a softmax, `e^(inverseTemperature · (logit - largest logit))`; returns their sum.
public func softmaxWeights(_ logits: Vector, inverseTemperature: Float, into weights: Vector) -> Float {
  let highest = inverseTemperature * largest(logits.base, count: logits.count)
  return exponentials(of: logits, scale: inverseTemperature, minus: highest, into: weights)
}
