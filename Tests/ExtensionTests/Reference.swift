import Foundation
import Layers
import Memory
import Optimization
import Training

/// The same training in `Double` on one core, sample by sample, from the same initial weights: no stores, ranks or pieces.
struct Reference {
  /// Loss of each step, before its update.
  private(set) var losses: [Double] = []
  /// Loss of the EMA weights on the validation samples, by step from 1; without EMA, of those that all nodes have in common.
  private(set) var validationLosses: [Int: Double] = [:]

  /// A layer's numbers: weights `[out][in]`, biases `[out]`.
  private typealias Layer = (w: [[Double]], b: [Double])

  /// What a node trains by itself: all of them together where there are no local updates.
  private struct Node {
    var layers: [Layer]
    var velocity: [Layer]
  }

  /// - Parameter nodes: those that train apart from each other, for rounds of `parallel.localUpdates` steps.
  init(
    _ training: TrainingConfig, seed: UInt64, velocity elementType: StateArray.ElementType, nodes count: Int,
    parallel: ParallelConfig
  ) {
    let start = Self.initialLayers(seed: seed)
    var nodes = (0..<count).map { _ in Node(layers: start, velocity: start.map(Self.zeros)) }
    var (outer, momentum, ema) = (start, start.map(Self.zeros), start)
    // Updates that were made, and those before the round.
    var (updates, before) = (0, 0)
    for step in 0..<training.steps {
      let lr = training.lr.value(at: step, of: training.steps, plateau: PlateauState())
      var sum = 0.0
      for index in nodes.indices {
        let share = training.batch * index / count..<training.batch * (index + 1) / count
        var gradients = start.map(Self.zeros)
        let batch = Points(step * training.batch + share.lowerBound..<step * training.batch + share.upperBound)
        sum += Double(share.count) * Self.loss(batch, nodes[index].layers, &gradients)
        if step == PerceptronTask.spoiledStep { continue }
        for layer in start.indices {
          Self.forEachPair(&nodes[index].velocity[layer], gradients[layer]) { v, g in
            let value = Double(Momentum.decay) * v + g
            return elementType == .bf16 ? Double(BFloat16(Float(value)).float) : value
          }
          Self.forEachPair(&nodes[index].layers[layer], nodes[index].velocity[layer]) { w, v in w - lr * v }
        }
      }
      losses.append(sum / Double(training.batch))
      if step != PerceptronTask.spoiledStep { updates += 1 }

      let rounds = parallel.localUpdates
      if rounds == 0 || (step + 1) % rounds == 0 || step + 1 == training.steps {
        for layer in start.indices {
          if rounds == 0 {
            outer[layer] = nodes[0].layers[layer]
          } else {
            var mean = Self.zeros(start[layer])
            for node in nodes {
              Self.forEachPair(&mean, outer[layer]) { $0 + $1 / Double(count) }
              Self.forEachPair(&mean, node.layers[layer]) { $0 - $1 / Double(count) }
            }
            Self.forEachPair(&momentum[layer], mean) { v, g in parallel.outer.momentum * v + g }
            Self.forEachPair(&outer[layer], mean) { w, g in w - parallel.outer.lr * g }
            Self.forEachPair(&outer[layer], momentum[layer]) { w, v in w - parallel.outer.lr * parallel.outer.momentum * v }
            for index in nodes.indices { nodes[index].layers[layer] = outer[layer] }
          }
          for number in before..<updates where training.ema.every > 0 && (number + 1) % training.ema.every == 0 {
            Self.forEachPair(&ema[layer], outer[layer]) { e, w in training.ema.decay * e + (1 - training.ema.decay) * w }
          }
        }
        before = updates
      }
      guard (step + 1) % training.validateEvery == 0 else { continue }
      var unused = start.map(Self.zeros)
      validationLosses[step + 1] = Self.loss(Points(Points.validation), training.ema.every > 0 ? ema : outer, &unused)
    }
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
