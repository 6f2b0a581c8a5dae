import Foundation
import Monitoring
import Testing

@testable import Training

/// Each warning comes where it should, once, and not where all is well.
@Suite struct TrainingHealthTests {
  private func health(_ environment: [String: String] = [:]) -> TrainingHealth {
    let job = Job(hostNames: ["a", "a", "b"], precision: "fp32")
    return TrainingHealth(stage: "transformer", job: job, checkpointEvery: 100, environment: environment)
  }

  private func metrics(_ loss: Double) -> StepMetrics {
    StepMetrics(
      loss: loss, losses: [], gradientNorm: 1, lr: 1, throughput: Metric("tokensPerSecond", 1), seconds: 1,
      isSkipped: !loss.isFinite)
  }

  private func ranks(_ busy: [Double], data: Double = 0) -> [RankUsage] {
    busy.map { own in
      var seconds = PhaseSeconds()
      (seconds[.forward], seconds[.data], seconds[.wait]) = (own, data, busy.max()! - own)
      return RankUsage(seconds: seconds, memory: 1)
    }
  }

  @Test func aJumpOfTheLossIsTold() {
    var health = health()
    // A noisy loss that falls, with steps that changed nothing.
    for step in 0..<2100 {
      let noise = Double((step * 7919) % 101) / 101 - 0.5
      #expect(health.observe(metrics(5 * exp(-Double(step) / 700) + 2 + 0.3 * noise)).isEmpty, "step \(step)")
      if step % 50 == 0 { #expect(health.observe(metrics(.nan)).isEmpty) }
      // Some bad batches in a row are made good for.
      if step % 400 == 399 { for _ in 0..<19 { #expect(health.observe(metrics(9)).isEmpty) } }
    }
    for _ in 0..<19 { #expect(health.observe(metrics(6)).isEmpty) }
    let told = health.observe(metrics(6.5))
    #expect(told.count == 1 && told[0].contains("jumped to 6.5000, from 2.") && told[0].contains("transformer.training.lr.peak"))
    for _ in 0..<200 { #expect(health.observe(metrics(6)).isEmpty) }
  }

  @Test func waitingForDataIsTold() {
    var health = health()
    // Of little time nothing is said.
    for _ in 0..<100 { #expect(health.observe(ranks([1e-4, 1e-4, 1e-4], data: 1e-3), over: 1).isEmpty) }
    health = self.health()
    for _ in 0..<4 { #expect(health.observe(ranks([0.9, 0.9, 0.9], data: 0.05), over: 10).isEmpty) }
    #expect(health.observe(ranks([0.9, 0.9, 0.9], data: 0.3), over: 10).isEmpty)
    let told = health.observe(ranks([0.9, 0.9, 0.9], data: 0.3), over: 10)
    #expect(told.count == 1 && told[0].contains("25 % of a step is waiting for data"))
  }

  @Test func aSlowRankIsToldAfterTwentySteps() {
    var health = health()
    // One after the other, and none: that is chance.
    #expect(health.observe(ranks([1, 1, 1.5]), over: 10).isEmpty)
    #expect(health.observe(ranks([1.5, 1, 1]), over: 10).isEmpty)
    #expect(health.observe(ranks([1, 1, 1.2]), over: 20).isEmpty)
    #expect(health.observe(ranks([1, 1, 1.5]), over: 10).isEmpty)
    let told = health.observe(ranks([1, 1, 1.7]), over: 10)
    #expect(told.count == 1 && told[0].contains("rank 2 on b has taken 1.6 times the median of the ranks for 20 steps"), "\(told)")
    for _ in 0..<4 { #expect(health.observe(ranks([1, 1, 1.6]), over: 10).isEmpty) }
  }

  @Test func aSlowRankThatIsNotAlwaysTheLastIsTold() {
    var health = health()
    var told: [String] = []
    for step in 0..<20 { told += health.observe(ranks(step % 4 == 0 ? [1, 1.4, 1] : [1, 1, 1.8]), over: 1) }
    #expect(told.count == 1 && told[0].contains("rank 2 on b has taken 1.5 times"), "\(told)")
  }

  private func cores(_ states: [CoreState]) -> [RankUsage] {
    states.map { RankUsage(seconds: PhaseSeconds(), memory: 1, cores: $0) }
  }

  @Test func coresThatBecomeFewerOrSlowerAreTold() {
    let (fast, slow) = (CoreState(count: 2, speed: 1e9), CoreState(count: 2, speed: 0.6e9))
    var health = health()
    #expect(health.observe(cores([fast, fast, fast]), over: 1).isEmpty)
    // For a moment.
    for states in [[fast, slow, fast], [fast, slow, fast], [fast, fast, fast], [fast, fast, slow], [fast, fast, slow]] {
      #expect(health.observe(cores(states), over: 1).isEmpty)
    }
    let slower = health.observe(cores([fast, fast, slow]), over: 1)
    #expect(slower.count == 1 && slower[0].contains("rank 2 on b has cores at 60 % of the speed"), "\(slower)")
    let fewer = health.observe(cores([fast, CoreState(count: 1, speed: 1e9), fast]), over: 1)
    #expect(fewer.count == 1 && fewer[0].contains("rank 1 on a may use 1 of the 2 cores"), "\(fewer)")
  }

  @Test func validationThatRisesIsTold() {
    var health = health()
    var told: [String] = []
    for (index, validation) in [3, 2.5, 2.52, 2.6, 2.7, 2.8].enumerated() {
      for _ in 0..<100 { _ = health.observe(metrics(3 - 0.3 * Double(index))) }
      told += health.observe(validation: [Metric("loss", validation)], step: 100 * (index + 1))
    }
    #expect(told.count == 1 && told[0].contains("since step 200 (2.5000, now 2.8000)"), "\(told)")

    // Where the training loss rises, too, the model does not learn by heart.
    var other = self.health()
    for (index, validation) in [3, 2.5, 2.6, 2.7, 2.8].enumerated() {
      for _ in 0..<100 { _ = other.observe(metrics(2 + 0.3 * Double(index))) }
      #expect(other.observe(validation: [Metric("loss", validation)], step: index).isEmpty)
    }
  }

  @Test func aCodebookOfOneCodeIsTold() {
    var health = health()
    #expect(health.observe(validation: [Metric("reconstruction", 1), Metric("perplexity", 30)], step: 1).isEmpty)
    for step in 2...3 {
      #expect(health.observe(validation: [Metric("reconstruction", 1), Metric("perplexity", 1.2)], step: step).isEmpty)
    }
    let told = health.observe(validation: [Metric("reconstruction", 1), Metric("perplexity", 1.2)], step: 4)
    #expect(told.count == 1 && told[0].contains("codebook has collapsed"))
  }

  @Test func checkpointsThatDoNotFitAreTold() {
    func observe(_ health: inout TrainingHealth, _ step: Int, time: Double, waited: Double = 0, free: Int? = 10_000_000_000)
      -> [String]
    { health.observe(checkpoint: step, time: time, waited: waited, byteCount: 1_000_000_000, free: free) }
    var disk = health()
    #expect(observe(&disk, 100, time: 0, free: nil).isEmpty && observe(&disk, 200, time: 100).isEmpty)
    let full = observe(&disk, 300, time: 200, free: 1_500_000_000)
    #expect(full.count == 1 && full[0].contains("1.5 GB of disk are left") && full[0].contains("2 GB"))

    var slow = health()
    #expect(observe(&slow, 100, time: 0).isEmpty && observe(&slow, 200, time: 100, waited: 2).isEmpty)
    let waited = observe(&slow, 300, time: 200, waited: 30)
    #expect(waited.count == 1 && waited[0].contains("waited 30s"))

    // 100 steps take 1000 s, and the job ends in 500.
    var late = health(["SLURM_JOB_END_TIME": "2500"])
    #expect(observe(&late, 100, time: 0).isEmpty && observe(&late, 200, time: 1000).isEmpty)
    let told = observe(&late, 300, time: 2000)
    #expect(told.count == 1 && told[0].contains("due in 16m40s, the job ends in 8m20s"))
  }
}
