/// Something that happened in a run. Sinks write events as JSON lines, print them, or send them elsewhere.
package struct Event: Sendable {
  /// Seconds since 1970.
  package var time: Double
  /// The stage it belongs to; nil for the run as a whole.
  package var stage: String?
  /// Training steps done when it happened; nil outside of training.
  package var step: Int?
  package var kind: Kind

  package enum Kind: Sendable {
    /// A job begins to work on the run.
    case started(Job)
    /// Stage `number` of `count`, counted from 1.
    case stageBegun(number: Int, count: Int)
    /// - Parameter isGiven: its product was copied into the run from elsewhere.
    case stageFinished(number: Int, count: Int, isGiven: Bool)
    /// Training begins, or resumes, at the event's step.
    case trainingBegun(TrainingFacts)
    case step(StepMetrics)
    /// Where the ranks' time went in the last `over` steps.
    case ranks([RankUsage], over: Int)
    case validation([Metric])
    /// How often each of several cases occurred in a validation: `counts[i]` times case i.
    case histogram(name: String, counts: [Int])
    /// A checkpoint was taken; it appears at `path` when it is complete.
    case checkpoint(path: String)
    /// A grid of images that the model generated was written.
    case sampleGrid(path: String)
    case message(String)
    /// Something that a person should look at; the run continues.
    case warning(String)
    /// A sample was skipped, for this reason.
    case skip(String)
    /// The job ends in order, with an exit code and the reason.
    case ended(code: Int, text: String)
  }

  package init(time: Double, stage: String? = nil, step: Int? = nil, _ kind: Kind) {
    (self.time, self.stage, self.step, self.kind) = (time, stage, step, kind)
  }
}

/// A named number.
package struct Metric: Sendable, Equatable {
  package var name: String
  package var value: Double

  package init(_ name: String, _ value: Double) { (self.name, self.value) = (name, value) }
}

/// The numbers of one training step, over all ranks unless noted.
package struct StepMetrics: Sendable {
  package var loss: Double
  /// Its parts in the order in which they are printed: `text`, `image`; `reconstruction`, `kl`.
  package var losses: [Metric]
  /// Before clipping.
  package var gradientNorm: Double
  package var lr: Double
  /// `tokensPerSecond` or `imagesPerSecond`.
  package var throughput: Metric
  /// Seconds of the step on the coordinator.
  package var seconds: Double
  /// Loss or gradient was not finite: no update was made.
  package var isSkipped: Bool
  /// Where it is known: with several ranks, every `logEvery` steps.
  package var slowest: SlowestRank?

  package init(
    loss: Double, losses: [Metric], gradientNorm: Double, lr: Double, throughput: Metric, seconds: Double, isSkipped: Bool,
    slowest: SlowestRank? = nil
  ) {
    (self.loss, self.losses, self.gradientNorm, self.lr) = (loss, losses, gradientNorm, lr)
    (self.throughput, self.seconds, self.isSkipped, self.slowest) = (throughput, seconds, isSkipped, slowest)
  }
}
