import Foundation
import Layers
import Memory
import Optimization
import Training

/// The same training in `Double` on one core, sample by sample, from the same initial weights: no stores, ranks or pieces.
struct Reference {
  /// Loss of each step, before its update.
  private(set) var losses: [Double] = []
  /// Loss of the EMA weights on the validation samples.
  private(set) var validationLoss = 0.0

  /// A layer's numbers: weights `[out][in]`, biases `[out]`.
  private typealias Layer = (w: [[Double]], b: [Double])

  init(_ training: TrainingConfig, seed: UInt64, velocity elementType: StateArray.ElementType) {
    var layers = Self.initialLayers(seed: seed)
    var velocity = layers.map(Self.zeros)
    var ema = layers
    for step in 0..<training.steps {
      var gradients = layers.map(Self.zeros)
      let batch = Points(step * training.batch..<(step + 1) * training.batch)
      losses.append(Self.loss(batch, layers, &gradients))
      let lr = training.lr.value(at: step, of: training.steps, plateau: PlateauState())
      for index in layers.indices {
        Self.forEachPair(&velocity[index], gradients[index]) { v, g in
          let value = Double(Momentum.decay) * v + g
          return elementType == .bf16 ? Double(BFloat16(Float(value)).float) : value
        }
        Self.forEachPair(&layers[index], velocity[index]) { w, v in w - lr * v }
        Self.forEachPair(&ema[index], layers[index]) { e, w in training.ema.decay * e + (1 - training.ema.decay) * w }
      }
    }
    var unused = layers.map(Self.zeros)
    validationLoss = Self.loss(Points(Points.validation), ema, &unused)
  }

  private static func initialLayers(seed: UInt64) -> [Layer] {
    let table = Perceptron().table
    let store = LocalParameters(table, gradients: false)
    return table.blockIDs.map { block in
      let values = store.weights(of: block)
      table.initialize(block, into: values, seed: seed)
      let (weight, bias) = (table[block].parameters[0], table[block].parameters[1])
      let w = values.matrix(weight)
      return ((0..<w.rows).map { w.row($0).array.map(Double.init) }, values[bias].array.map(Double.init))
    }
  }

  private static func zeros(_ layer: Layer) -> Layer {
    (layer.w.map { $0.map { _ in 0 } }, layer.b.map { _ in 0 })
  }

  private static func forEachPair(_ target: inout Layer, _ other: Layer, _ value: (Double, Double) -> Double) {
    target = (
      zip(target.w, other.w).map { zip($0, $1).map(value) }, zip(target.b, other.b).map(value)
    )
  }

  /// Mean of ½ (answer - target)² over `batch`, whose gradient is added to `gradients`.
  private static func loss(_ batch: Points, _ layers: [Layer], _ gradients: inout [Layer]) -> Double {
    var sum = 0.0
    for sample in 0..<batch.count {
      var activations = [batch.inputs[4 * sample..<4 * sample + 4].map(Double.init)]
      for (index, layer) in layers.enumerated() {
        let y = zip(layer.w, layer.b).map { row, b in zip(row, activations[index]).reduce(b) { $0 + $1.0 * $1.1 } }
        activations.append(index == layers.count - 1 ? y : y.map { tanh($0) })
      }
      let error = activations.last![0] - Double(batch.targets[sample])
      sum += error * error / 2
      var dy = [error / Double(batch.count)]
      for index in layers.indices.reversed() {
        let x = activations[index]
        for out in dy.indices {
          gradients[index].b[out] += dy[out]
          for k in x.indices { gradients[index].w[out][k] += dy[out] * x[k] }
        }
        dy = x.indices.map { k in dy.indices.reduce(0) { $0 + dy[$1] * layers[index].w[$1][k] } * (1 - x[k] * x[k]) }
      }
    }
    return sum / Double(batch.count)
  }
}
