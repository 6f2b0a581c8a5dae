import Foundation
import Kernels
import Layers
import Optimization
import Parallel
import Testing

@testable import Training

/// A node of 100 GFLOP/s at full efficiency, 10 GB/s of memory, 1 GB/s of summed gradients, and a link of 1 GB/s.
private func cluster(
  nodes: Int = 1, ranksPerNode: Int = 1, bandwidth: Double = 8e9, latency: Double = 0, storage: Double = 1e9
) -> Cluster {
  Cluster(
    nodes: nodes, ranksPerNode: ranksPerNode, memory: 1 << 40,
    machine: Cluster.Machine(fp32: 100e9, bf16: 200e9, memory: 10e9, allReduce: 1e9), efficiency: 1,
    network: nodes == 1 ? nil : Cluster.Network(bandwidth: bandwidth, latency: latency), storage: storage,
    nodeHoursBetweenFailures: 1000)
}

/// Four blocks of a million floats each, of which GEMMs multiply with all.
private let table: ParameterTable = {
  var table = ParameterTable()
  for block in 0..<4 { _ = table.add("w\(block)", [1000, 1000], .matrix, .constant(0), to: table.addBlock("b\(block)")) }
  return table
}()

private func training(batch: Int, microBatch: Int = 1) -> TrainingConfig {
  var training = RunConfig().transformer.training
  (training.batch, training.microBatch, training.ema.every) = (batch, microBatch, 0)
  return training
}

/// Of samples of 30 GFLOP, forward and backward.
private func step(
  _ cluster: Cluster, batch: Int = 8, microBatch: Int = 1, _ exchange: ExchangeSettings = ExchangeSettings(),
  precision: Precision = .fp32, recomputedFLOPs: Double = 0
) -> StepTime {
  let training = training(batch: batch, microBatch: microBatch)
  let cost = ExchangeCost(exchange, table, precision: precision, nodes: cluster.nodes, ranksPerNode: cluster.ranksPerNode)
  return StepTimeModel(
    cluster, table, training, precision: precision, exchange: cost, state: AdamW(training.adamw).state + exchange.state,
    flops: 30e9, recomputedFLOPs: recomputedFLOPs
  ).time
}

private func isClose(_ a: Double, _ b: Double) -> Bool { abs(a - b) <= 1e-9 * max(abs(a), abs(b)) }

@Suite struct StepTimeTests {
  @Test func oneRankComputesAndUpdates() {
    let time = step(cluster())
    #expect(isClose(time.forward, 8 * 0.1) && isClose(time.backward, 8 * 0.2))
    #expect(time.nodeSum == 0 && time.exchange == 0 && time.exposed == 0 && time.compression == 0)
    // Weights, two moments, and the gradient twice: 32 bytes of each of 4 million parameters.
    #expect(isClose(time.update, 32 * 4e6 / 10e9))
    #expect(isClose(time.total, 2.4 + time.update))
    // Twice the speed, and a compute copy that is read and written.
    let faster = step(cluster(), precision: .bf16)
    #expect(isClose(faster.forward, 0.4) && isClose(faster.update, 36 * 4e6 / 10e9))
    // What is computed again belongs to the backward pass.
    let again = step(cluster(), recomputedFLOPs: 5e9)
    #expect(again.forward == time.forward && isClose(again.backward, 8 * 0.25))
  }

  @Test func ranksOfANodeShareItsSpeed() {
    let (one, two) = (step(cluster()), step(cluster(ranksPerNode: 2)))
    #expect(isClose(one.forward, two.forward) && isClose(one.update, two.update))
    // Four micro-batches of 16 MB.
    #expect(isClose(two.nodeSum, 4 * 0.016))
    #expect(isClose(step(cluster(ranksPerNode: 2), microBatch: 2).nodeSum, 2 * 0.016))
    // Nine samples are five for one of two ranks, which takes half of the node's speed for them.
    #expect(isClose(step(cluster(ranksPerNode: 2), batch: 9).forward, 5 * 2 * 0.1))
  }

  @Test func nodesShareTheBatchAndSendEachOther() {
    let time = step(cluster(nodes: 2))
    #expect(isClose(time.forward, 4 * 0.1) && isClose(time.backward, 4 * 0.2))
    // Of two nodes each sends all of its gradient, 16 MB, and gets as much.
    #expect(isClose(time.exchange, 0.016))
    #expect(isClose(step(cluster(nodes: 4)).exchange, 0.016 * 1.5))
    #expect(isClose(step(cluster(nodes: 2), ExchangeSettings(.bf16)).exchange, 0.008))
    // Four blocks, two messages that follow from each other on two nodes, four on four.
    #expect(isClose(step(cluster(nodes: 2, latency: 0.001)).exchange, 0.016 + 4 * 2 * 0.001))
    #expect(isClose(step(cluster(nodes: 4, latency: 0.001)).exchange, 0.024 + 4 * 4 * 0.001))
    // Gradients once, and the weights that models read: in fp32 as much. Of an update half is left to each.
    let spread = step(cluster(nodes: 2), ExchangeSettings(shard: .world))
    #expect(isClose(spread.exchange, 0.008 + 0.008) && isClose(spread.update, 16 * 4e6 / 10e9))
  }

  /// Blocks of a second each.
  @Test func messagesTravelWhileLaterBlocksAreComputed() {
    let second = Array(repeating: 1.0, count: 4)
    func left(_ transfers: [Double]) -> Double {
      transfers.reduce(0, +) - StepTimeModel.hidden(computing: second, transfers: transfers)
    }
    // That of the last block has nothing to travel beside.
    #expect(left([0.5, 0.5, 0.5, 0.5]) == 0.5)
    #expect(left([3, 0, 0, 0]) == 0)
    #expect(left([4, 0, 0, 0]) == 1)
    // The link is busy from the end of the first block on: 8 - 3.
    #expect(left([2, 2, 2, 2]) == 5)
    #expect(left([0, 0, 0, 7]) == 7)
  }

  @Test func aPassWaitsForTheWeightsThatItNeeds() {
    let second = Array(repeating: 1.0, count: 3)
    func waited(_ needed: [Double]) -> Double { needed.reduce(0, +) - StepTimeModel.hidden(computing: second, needed: needed) }
    #expect(waited([]) == 0)
    #expect(waited([0.5, 0.5, 0.5]) == 0.5)
    #expect(waited([0, 2, 0]) == 1)
    #expect(waited([2, 2, 2]) == 4)
  }

  /// Rounded gradients go a few at a time, so latency counts as often as some have arrived.
  @Test func fewRoundedGradientsAreOnTheirWayAtATime() {
    let settings = ExchangeSettings(.bf16, shard: .world)
    // On 1024 nodes eight parts of 512 of a million numbers per block, each after a latency; and all nodes' weights at once, in
    // ten rounds.
    let latency =
      step(cluster(nodes: 1024, latency: 1e-3), batch: 1024, settings).exchange
      - step(cluster(nodes: 1024), batch: 1024, settings).exchange
    #expect(isClose(latency, 4 * (245 + 10) * 1e-3))
  }

  /// Messages take the processor from what is computed while they travel, and bound the link.
  @Test func messagesTakeProcessors() {
    func time(_ processing: Double?, bandwidth: Double, _ settings: ExchangeSettings = ExchangeSettings()) -> StepTime {
      var cluster = cluster(nodes: 2, bandwidth: bandwidth)
      cluster.network!.processing = processing
      return step(cluster, settings)
    }
    // 16 MB, of which all but the last block's travel meanwhile, 3/4.
    let free = time(nil, bandwidth: 8e9)
    #expect(free.processing == 0 && isClose(free.exposed, 0.004))
    let busy = time(2e9, bandwidth: 8e9)
    #expect(isClose(busy.processing, 0.75 * 0.008) && isClose(busy.total, free.total + 0.006))
    // Slower than the link.
    let slow = time(0.5e9, bandwidth: 8e9)
    #expect(isClose(slow.exchange, 0.032) && isClose(slow.exposed, 0.008) && isClose(slow.processing, 0.024))
    // What travels while nothing is computed takes nothing from it.
    var local = ExchangeSettings()
    local.localUpdates = 10
    #expect(time(2e9, bandwidth: 8e9, local).processing == 0)
    // Two ranks have two processors.
    var two = cluster(nodes: 2, ranksPerNode: 2, bandwidth: 8e9)
    two.network!.processing = 2e9
    #expect(isClose(step(two).processing, 0.75 * 0.004))
  }

  /// Traffic is exposed between nothing and whole, and no longer backward pass hides less.
  @Test func whatIsExposedLiesBetweenTheLastBlockAndAll() {
    for bandwidth in [8e6, 8e7, 8e8, 8e9, 8e10] {
      for batch in [4, 8, 64] {
        let time = step(cluster(nodes: 4, bandwidth: bandwidth), batch: batch)
        #expect(time.exposed >= 0.999 * time.exchange / 4 && time.exposed <= 1.001 * time.exchange)
      }
      let (short, long) = (
        step(cluster(nodes: 4, bandwidth: bandwidth), batch: 4),
        step(cluster(nodes: 4, bandwidth: bandwidth), batch: 4000, microBatch: 4000)
      )
      #expect(long.exposed <= short.exposed)
    }
  }

  @Test func betterClustersAreFaster() {
    let base = cluster(nodes: 4, ranksPerNode: 2, bandwidth: 1e8, latency: 1e-3)
    let slow = step(base, batch: 64).total
    let changes: [(inout Cluster) -> Void] = [
      { $0.machine.fp32 *= 2 }, { $0.machine.memory *= 2 }, { $0.machine.allReduce! *= 2 }, { $0.network!.bandwidth *= 2 },
      { $0.network!.latency /= 2 },
    ]
    for change in changes {
      var better = base
      change(&better)
      #expect(step(better, batch: 64).total < slow)
    }
    var worse = base
    worse.efficiency = 0.5
    #expect(isClose(step(worse, batch: 64).forward, 2 * step(base, batch: 64).forward))
    worse.efficiency = nil
    #expect(isClose(step(worse, batch: 64).forward, step(base, batch: 64).forward / 0.93))
  }

  /// What nodes exchange at the end of a round is sent while nothing is computed.
  @Test func roundsOfLocalUpdatesSendOnce() {
    func time(_ steps: Int) -> StepTime {
      var settings = ExchangeSettings()
      settings.localUpdates = steps
      return step(cluster(nodes: 2, bandwidth: 8e7), settings)
    }
    #expect(isClose(time(10).exchange, 0.16) && time(10).exposed == time(10).exchange)
    #expect(isClose(time(20).exchange, 0.08) && time(1).exposed == time(1).exchange)
    #expect(time(20).update < time(10).update && time(10).update > step(cluster(nodes: 2)).update)
  }

  /// The rank follows from `compression`: 75 of 1000 x 1000, for 1.2 of 8 MB per block and node.
  @Test func lowRanksAreComputedInFP32() {
    let time = step(cluster(nodes: 2), ExchangeSettings(.powersgd))
    #expect(isClose(time.exchange, 0.016 * 0.15))
    #expect(isClose(time.compression, 4 * 8 * 1e6 * 75 / 100e9))
    #expect(step(cluster(), ExchangeSettings(.powersgd)).compression == 0)
  }

  @Test func checkpointsOfANodeAreWrittenBesideTraining() {
    let step = StepTime(forward: 1, backward: 2, nodeSum: 0, exchange: 0, compression: 0, processing: 0, exposed: 0, update: 0.5)
    func checkpoint(_ cluster: Cluster, _ settings: ExchangeSettings = ExchangeSettings(), parameters: Int = 1_000_000_000)
      -> CheckpointTime
    {
      CheckpointTime(
        cluster, parameters: parameters, state: AdamW(AdamWConfig()).state + settings.state, isLocal: settings.localUpdates > 0,
        spread: settings.shard.spread(over: cluster.nodes), step: step)
    }
    // 12 bytes per parameter at 1 GB/s; three seconds of the next step pass before its update.
    let alone = checkpoint(cluster())
    #expect(alone.byteCount == 12_000_000_000 && isClose(alone.seconds, 12) && isClose(alone.waited, 9))
    #expect(checkpoint(cluster(), parameters: 200_000_000).waited == 0)
    // √(2 · 12 s · 3.6 million s).
    #expect(isClose(alone.interval, (2 * 12 * 3.6e6).squareRoot()) && alone.every == Int((alone.interval / 3.5).rounded()))
    #expect(isClose(alone.lost, 9 / alone.interval + (alone.interval / 2 + 12) / 3.6e6))
    // A hundred nodes fail a hundred times as often.
    #expect(isClose(checkpoint(cluster(nodes: 100)).interval, alone.interval / 10))
    // Of four nodes each keeps a quarter; three quarters come through the link while nothing is trained, and then all is written.
    let spread = checkpoint(cluster(nodes: 4), ExchangeSettings(shard: .world))
    #expect(spread.byteCount == alone.byteCount && isClose(spread.seconds, 12 + 9) && isClose(spread.waited, 21))
    // Weights and moments of each node, and outer weights and momentum once: 24 GB and 8 GB. 12 GB come from the other node.
    var local = ExchangeSettings()
    local.localUpdates = 10
    let rounds = checkpoint(cluster(nodes: 2), local)
    #expect(rounds.byteCount == 32_000_000_000 && isClose(rounds.seconds, 32 + 12) && isClose(rounds.waited, 12 + 12 + 20 - 3))
    // What was not applied is summed over the nodes first.
    let compressed = checkpoint(cluster(nodes: 2), ExchangeSettings(.powersgd))
    #expect(compressed.byteCount == 16_000_000_000 && isClose(compressed.seconds, 16 + 4) && isClose(compressed.waited, 4 + 13))
  }
}
