import Foundation
import Layers
import Memory
import Optimization
import TestSupport
import Testing

/// A node with a bias of `count` values: its own weights, and what it has in common with others.
private struct Node {
  let parameter: Parameter
  let weights, gradient, outer, momentum, average: Buffer<Float>

  init(_ start: [Float]) {
    var table = ParameterTable()
    parameter = table.add("b", [start.count], .bias, .constant(0), to: table.addBlock("block"))
    (weights, outer, average) = (kept(start), kept(start), kept(start))
    (gradient, momentum) = (kept(count: start.count), kept(count: start.count))
  }

  var piece: ParameterPiece {
    let arrays = [
      OuterOptimizer.weights: outer, OuterOptimizer.momentum: momentum,
      ExponentialMovingAverage(every: 4, decay: 0.75).state[0]: average,
    ]
    return ParameterPiece(
      parameter, rows: 0..<parameter.count, weights: weights.vector, computeCopy: nil, gradient: gradient.vector,
      arrays: arrays.mapValues { UnsafeMutableRawPointer($0.base) })
  }
}

/// The nodes' differences are summed, as the exchange between them does, and each makes the outer step.
private func endRound(_ optimizer: OuterOptimizer, _ nodes: [Node]) {
  for node in nodes { optimizer.difference(node.piece) }
  let count = nodes[0].parameter.count
  let sum = (0..<count).map { i in nodes.reduce(0) { $0 + $1.gradient.base[i] } }
  for node in nodes {
    node.gradient.vector.copy(from: sum)
    node.piece.forEachChunk(of: 5) { optimizer.update($0, nodes: nodes.count) }
  }
}

@Suite struct OuterOptimizerTests {
  /// By hand: from 1, nodes at 0.9 and 0.7 have learned 0.2 on average, with which lr 0.7 and momentum 0.9 give
  /// 1 - 0.7 · (0.2 + 0.9 · 0.2) = 0.734. Nodes 0.2 and 0 below that then give v = 0.9 · 0.2 + 0.1 = 0.28 and
  /// 0.734 - 0.7 · (0.1 + 0.9 · 0.28) = 0.4876.
  @Test func twoRoundsByHand() {
    let optimizer = OuterOptimizer(OuterConfig())
    let nodes = [Node([1]), Node([1])]
    (nodes[0].weights.base[0], nodes[1].weights.base[0]) = (0.9, 0.7)
    endRound(optimizer, nodes)
    for node in nodes {
      expectClose([node.momentum.base[0], node.outer.base[0], node.weights.base[0]], [0.2, 0.734, 0.734], absolute: 2e-7)
    }
    nodes[0].weights.base[0] -= 0.2
    endRound(optimizer, nodes)
    for node in nodes {
      expectClose([node.momentum.base[0], node.outer.base[0], node.weights.base[0]], [0.28, 0.4876, 0.4876], absolute: 3e-7)
    }
  }

  /// As `torch.optim.SGD(lr, momentum, nesterov=True)` on the mean differences, in Double: the momentum buffer begins as the first
  /// gradient; afterwards buffer = momentum · buffer + gradient, step = gradient + momentum · buffer.
  @Test(arguments: [1, 2, 3, 8], [(0.7, 0.9), (1.0, 0.0), (0.3, 0.5)])
  func isSGDWithNesterovMomentum(count: Int, setting: (lr: Double, momentum: Double)) {
    var config = OuterConfig()
    (config.lr, config.momentum) = setting
    let start = normalNumbers(37, stream: 1)
    let nodes = (0..<count).map { _ in Node(start) }
    var expected = start.map(Double.init)
    var buffer: [Double]?
    for round in 0..<6 {
      var gradient = [Double](repeating: 0, count: start.count)
      for (index, node) in nodes.enumerated() {
        #expect(node.weights.array == node.outer.array)
        let change = normalNumbers(start.count, stream: UInt64(100 + 10 * round + index), deviation: 0.1)
        for i in start.indices {
          let before = node.weights.base[i]
          node.weights.base[i] -= change[i]
          gradient[i] += Double(before - node.weights.base[i]) / Double(count)
        }
      }
      buffer = buffer.map { zip($0, gradient).map { setting.momentum * $0 + $1 } } ?? gradient
      for i in start.indices { expected[i] -= setting.lr * (gradient[i] + setting.momentum * buffer![i]) }
      endRound(OuterOptimizer(config), nodes)
      // Six rounds of some fp32 roundings each, of numbers of about 1.
      for node in nodes { expectClose(node.weights.array, expected.map(Float.init), absolute: 3e-6, "round \(round)") }
    }
  }

  /// The additions that are due in a round, at once: those of updates 4, 8 and 12 after 3 and up to 13.
  @Test func averageCatchesUp() {
    let (once, often) = (Node([1, 2, 3]), Node([1, 2, 3]))
    for node in [once, often] { node.weights.vector.copy(from: [5, -5, 0.5]) }
    let ema = ExponentialMovingAverage(every: 4, decay: 0.75)
    ema.update(once.piece, after: 3..<13)
    for number in 4...13 { ema.update(often.piece, number: number) }
    expectClose(once.average.array, often.average.array, absolute: 1e-6)
    #expect(once.average.array != [1, 2, 3])
    for updates in [4..<4, 4..<7] {
      let before = once.average.array
      ema.update(once.piece, after: updates)
      #expect(once.average.array == before, "\(updates)")
    }
  }
}
