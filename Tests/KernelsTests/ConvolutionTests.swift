import Kernels
import Memory
import TestSupport
import Testing

private func random(_ count: Int, _ stream: UInt64) -> [Float] {
  normalNumbers(count, seed: 11, stream: stream)
}

/// weights * x + bias by the definition, in Double; x channels-last, weights [out, in, k, k].
private func convolve(_ x: [Double], _ w: [Double], _ b: [Double], _ s: ConvolutionShape, samples: Int) -> [Double] {
  let half = s.kernel / 2
  var y: [Double] = []
  for n in 0..<samples {
    for row in 0..<s.height {
      for column in 0..<s.width {
        for o in 0..<s.outputs {
          var sum = b[o]
          for u in 0..<s.kernel {
            for v in 0..<s.kernel {
              let (r, c) = (row + u - half, column + v - half)
              guard (0..<s.height).contains(r), (0..<s.width).contains(c) else { continue }
              for i in 0..<s.inputs {
                sum +=
                  w[((o * s.inputs + i) * s.kernel + u) * s.kernel + v]
                  * x[((n * s.height + r) * s.width + c) * s.inputs + i]
              }
            }
          }
          y.append(sum)
        }
      }
    }
  }
  return y
}

/// The gradient of <dy, f> at `point`, by central differences. f is linear in each argument: no truncation error, and in
/// Double with a step of 1 about 1e-14 of rounding.
private func slopes(_ point: [Double], _ dy: [Double], _ f: ([Double]) -> [Double]) -> [Float] {
  point.indices.map { index in
    var (low, high) = (point, point)
    low[index] -= 0.5
    high[index] += 0.5
    return Float(zip(zip(f(high), f(low)), dy).reduce(0) { $0 + ($1.0.0 - $1.0.1) * $1.1 })
  }
}

private let shapes = [
  ConvolutionShape(height: 5, width: 5, inputs: 3, outputs: 8, kernel: 7),
  ConvolutionShape(height: 4, width: 6, inputs: 4, outputs: 1, kernel: 3),
  ConvolutionShape(height: 4, width: 4, inputs: 2, outputs: 2, kernel: 3),
  ConvolutionShape(height: 3, width: 5, inputs: 16, outputs: 8, kernel: 3),
  ConvolutionShape(height: 3, width: 3, inputs: 12, outputs: 20, kernel: 1),
]

/// fp32 sums of at most 150 products of unit size.
private let tolerance: Float = 2e-5

/// Operands with 8 significant bits are the same in every format.
private func operand(_ count: Int, _ stream: UInt64) -> [Float] { random(count, stream).map { BFloat16($0).float } }

private func convolutionAgainstItsDefinition<Element: Scalar>(_: Element.Type, _ shape: ConvolutionShape, samples: Int) {
  let x = operand(samples * shape.inputCount, 1)
  let weights = kept(operand(shape.weightCount, 2))
  let bias = kept(random(shape.outputs, 3))
  let dy = operand(samples * shape.outputCount, 4)
  let (x64, w64, b64) = (x.map(Double.init), weights.array.map(Double.init), bias.array.map(Double.init))
  let dy64 = dy.map(Double.init)
  let (xRow, dyRow) = (kept(x.map { Element($0) }), kept(dy.map { Element($0) }))
  let scratch = ConvolutionScratch()
  let scale: Float = 0.25
  let convolution = Convolution<Element>(shape, samples: 3, scale: scale, training: true, scratch: scratch)

  let y = kept(count: dy.count)
  convolution.forward(xRow.vector, weights: weights.vector, bias: bias.vector, into: y.vector)
  let expected = convolve(x64, w64, b64, shape, samples: samples).map { Float($0) * scale }
  expectClose(y.array, expected, absolute: tolerance, "forward")

  let dx = kept(count: x.count)
  dx.vector.fill(.nan)  // overwritten, not added to
  convolution.backwardInput(dyRow.vector, weights: weights.vector, into: dx.vector)
  let dxExpected = slopes(x64, dy64) { convolve($0, w64, b64, shape, samples: samples) }.map { $0 * scale }
  expectClose(dx.array, dxExpected, absolute: tolerance, "backward of the input")

  let (dw, db) = (kept(count: weights.count), kept(count: bias.count))
  dw.vector.fill(1)  // added to
  db.vector.fill(2)
  convolution.backwardWeights(xRow.vector, dyRow.vector, intoWeights: dw.vector, bias: db.vector)
  let dwExpected = slopes(w64, dy64) { convolve(x64, $0, b64, shape, samples: samples) }.map { 1 + $0 * scale }
  expectClose(dw.array, dwExpected, absolute: tolerance, "backward of the weights")
  let dbExpected = slopes(b64, dy64) { convolve(x64, w64, $0, shape, samples: samples) }.map { 2 + $0 * scale }
  expectClose(db.array, dbExpected, absolute: tolerance, "backward of the bias")
}

@Test(arguments: shapes, [1, 3]) func convolutionAgainstItsDefinition(shape: ConvolutionShape, samples: Int) {
  convolutionAgainstItsDefinition(Float.self, shape, samples: samples)
}

@Test(.enabled(if: Precision.bf16.isSupported), arguments: shapes, [1, 3])
func convolutionInBF16AgainstItsDefinition(shape: ConvolutionShape, samples: Int) {
  convolutionAgainstItsDefinition(BFloat16.self, shape, samples: samples)
}

private func convolutionOutputs<Element: Scalar>(_: Element.Type, _ shape: ConvolutionShape) {
  let samples = 2
  let x = kept(operand(samples * shape.inputCount, 5).map { Element($0) })
  let (weights, bias) = (kept(operand(shape.weightCount, 6)), kept(random(shape.outputs, 7)))
  func double(_ values: [Element]) -> [Double] { values.map { Double($0.float) } }
  let expected = convolve(
    double(x.array), weights.array.map(Double.init), bias.array.map(Double.init), shape, samples: samples
  ).map { Float($0) * 0.5 }
  let dy = kept(operand(samples * shape.outputCount, 9).map { Element($0) })
  let dxExpected = slopes(double(x.array), double(dy.array)) {
    convolve($0, weights.array.map(Double.init), bias.array.map(Double.init), shape, samples: samples)
  }.map { $0 * 0.5 }
  // What is stored in bf16 has 8 bits.
  let rounding: Float = Element.self == BFloat16.self ? 0x1p-8 : 0
  let scratch = ConvolutionScratch()
  let dx = kept([Element](repeating: Element(.nan), count: x.count))

  let rectified = Convolution<Element>(shape, samples: samples, scale: 0.5, output: .rectified, training: true, scratch: scratch)
  let y = kept([Element](repeating: Element(.nan), count: dy.count))
  rectified.forward(x.vector, weights: weights.vector, bias: bias.vector, into: y.vector)
  expectClose(y.array.map(\.float), expected.map { max(0, $0) }, absolute: tolerance, relative: rounding, "rectified")
  rectified.backwardInput(dy.vector, weights: weights.vector, into: dx.vector)
  expectClose(dx.array.map(\.float), dxExpected, absolute: tolerance, relative: rounding, "backward of the input, rectified")

  let stream = kept(random(y.count, 8))
  let before = stream.array
  let added = Convolution<Element>(shape, samples: samples, scale: 0.5, output: .added, training: true, scratch: scratch)
  added.forward(x.vector, weights: weights.vector, bias: bias.vector, into: stream.vector)
  expectClose(stream.array, zip(before, expected).map { $0 + $1 }, absolute: tolerance, "added")
  added.backwardInput(dy.vector, weights: weights.vector, into: dx.vector)
  expectClose(dx.array.map(\.float), dxExpected, absolute: tolerance, relative: rounding, "backward of the input, added")
}

@Test(arguments: shapes) func convolutionOutputsRectifiedAndAdded(shape: ConvolutionShape) {
  convolutionOutputs(Float.self, shape)
}

@Test(.enabled(if: Precision.bf16.isSupported), arguments: shapes)
func convolutionOutputsInBF16RectifiedAndAdded(shape: ConvolutionShape) {
  convolutionOutputs(BFloat16.self, shape)
}

/// Weights are read at every call: a change between calls counts.
@Test func convolutionSeesNewWeights() {
  let shape = shapes[3]
  let x = kept(random(shape.inputCount, 1))
  let (weights, bias) = (kept(random(shape.weightCount, 2)), kept(random(shape.outputs, 3)))
  let convolution = Convolution<Float>(shape, samples: 1, training: true, scratch: ConvolutionScratch())
  let (first, second) = (kept(count: shape.outputCount), kept(count: shape.outputCount))
  convolution.forward(x.vector, weights: weights.vector, bias: bias.vector, into: first.vector)
  for index in 0..<weights.count { weights[index] *= 2 }
  for index in 0..<bias.count { bias[index] *= 2 }
  convolution.forward(x.vector, weights: weights.vector, bias: bias.vector, into: second.vector)
  #expect(second.array == first.array.map { 2 * $0 })  // doubling is exact
}
