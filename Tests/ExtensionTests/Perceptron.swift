import Layers
import Memory

#if canImport(Glibc)
  import Glibc
#endif

/// A model of its own: fully connected layers with tanh between them, from four numbers to one. Each layer is a block.
struct Perceptron {
  /// Numbers that each layer reads, and what the last one gives. Matrices of 64 x 64 are large enough to have several owners.
  static let widths = [4, 64, 64, 64, 1]

  private struct Layer {
    let block: BlockID
    /// `[out, in]`
    let weight: Parameter
    /// `[out]`
    let bias: Parameter
  }

  let table: ParameterTable
  private let layers: [Layer]

  init() {
    var table = ParameterTable()
    layers = zip(Self.widths, Self.widths.dropFirst()).enumerated().map { index, width in
      let block = table.addBlock("layer \(index)")
      let std = 1 / Float(width.0).squareRoot()
      return Layer(
        block: block,
        weight: table.add("\(index).weight", [width.1, width.0], .matrix, .normal(std: std), to: block),
        bias: table.add("\(index).bias", [width.1], .bias, .constant(0), to: block))
    }
    self.table = table
  }

  /// The model's answers to `batch`, one per sample.
  func answers(_ batch: Points, _ store: any ParameterStore) throws -> [Float] {
    try forward(batch, BlockWalk(store, layers.map(\.block))).last!
  }

  /// Adds the gradient of `scale · Σ ½ (answer - target)²` to `store`; returns the answers.
  func forwardBackward(_ batch: Points, _ store: any ParameterStore, scale: Float) throws -> [Float] {
    let walk = try BlockWalk(store, layers.map(\.block) + layers.reversed().map(\.block))
    let activations = try forward(batch, walk)
    try backward(activations, zip(activations.last!, batch.targets).map { scale * ($0 - $1) }, walk)
    return activations.last!
  }

  /// Returns the inputs and every layer's outputs, sample after sample.
  private func forward(_ batch: Points, _ walk: BlockWalk) throws -> [[Float]] {
    var activations = [batch.inputs]
    for layer in layers {
      let x = activations.last!
      activations.append(
        try walk.forward(layer.block) { weights in
          let (w, b) = (weights.matrix(layer.weight), weights[layer.bias])
          var y = [Float](repeating: 0, count: batch.count * w.rows)
          for sample in 0..<batch.count {
            for out in 0..<w.rows {
              var sum = b[out]
              for k in 0..<w.columns { sum += w[out, k] * x[sample * w.columns + k] }
              y[sample * w.rows + out] = layer.block == layers.last!.block ? sum : tanh(sum)
            }
          }
          return y
        })
    }
    return activations
  }

  /// - Parameter gradient: of the last layer's outputs.
  private func backward(_ activations: [[Float]], _ gradient: [Float], _ walk: BlockWalk) throws {
    // Of a layer's outputs, before its tanh.
    var dy = gradient
    for (index, layer) in layers.enumerated().reversed() {
      let x = activations[index]
      dy = try walk.backward(layer.block) { weights, gradients in
        let (w, dw, db) = (weights.matrix(layer.weight), gradients.matrix(layer.weight), gradients[layer.bias])
        var dx = [Float](repeating: 0, count: x.count)
        for sample in 0..<x.count / w.columns {
          for out in 0..<w.rows {
            let d = dy[sample * w.rows + out]
            db[out] += d
            for k in 0..<w.columns {
              dw[out, k] += d * x[sample * w.columns + k]
              dx[sample * w.columns + k] += d * w[out, k]
            }
          }
        }
        // x = tanh(before): its derivative is 1 - x². The first layer's dx is not used.
        return zip(dx, x).map { $0 * (1 - $1 * $1) }
      }
    }
  }
}
