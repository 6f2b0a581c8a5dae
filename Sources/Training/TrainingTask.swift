import Images
import Kernels
import Layers
import Memory

/// What one model brings to the trainer: batches, a forward and backward pass, and what its loss sums mean.
///
/// Losses travel as sums (of nats, of tokens, of samples), which add up over micro-batches and ranks whatever the split;
/// `report` turns the sums of a whole batch into numbers for people.
package protocol TrainingTask: AnyObject {
  associatedtype Batch: Sendable

  /// The stage's name in logs: "dvae", "transformer".
  var name: String { get }
  var table: ParameterTable { get }
  /// What its weights must be kept in beside fp32.
  var precision: Precision { get }
  /// Bytes of this rank's activations.
  var activationBytes: Int { get }
  /// Bytes of a loaded sample.
  var sampleBytes: Int { get }
  /// Bytes that `sampleImage` takes.
  var sampleImageBytes: Int { get }
  /// Floating-point operations of a sample's forward and backward pass.
  var flops: Double { get }
  /// What a sample consists of, for rates: tokens or images per sample.
  var unit: (name: String, perSample: Double) { get }

  /// Loads samples `part` of the global batch of update `step`. Runs on the prefetch thread, so it takes nothing from self
  /// that changes.
  var load: @Sendable (_ step: Int, _ part: Range<Int>) throws -> Batch { get }
  /// Number of samples in a loaded batch.
  func count(_ batch: Batch) -> Int
  /// The denominators of the loss for this part of the batch; summed over the ranks that make one update before the backward pass.
  func denominators(_ batch: Batch) -> [Double]

  /// Adds the gradient of samples `rows` of `batch` to `source`, scaled for an update with these denominators, and
  /// returns the loss sums.
  func forwardBackward(
    _ batch: Batch, rows: Range<Int>, step: Int, denominators: [Double], source: any ParameterStore
  ) throws -> [Double]

  /// Loss sums over this rank's share of the held-out data.
  func validate(rank: Int, of ranks: Int, source: any ParameterStore) throws -> [Double]

  /// Loss sums of `forwardBackward`.
  var sumCount: Int { get }
  /// What summed losses mean.
  func report(_ sums: [Double]) -> LossReport
  /// The numbers of a validation; none where no sample was validated.
  func validationReport(_ sums: [Double]) -> [(name: String, value: Double)]
  /// Counts of a validation that are too many to be read as numbers.
  func validationHistograms(_ sums: [Double]) -> [(name: String, counts: [Int])]

  /// The values with which a parameter's training begins, where they do not come from the seed: the same on all ranks.
  func initialValues(of parameter: Parameter) -> Vector?

  /// An image with samples of these weights, for people; nil where there is nothing to show. Called on the coordinator.
  func sampleImage(_ source: any ParameterStore) throws -> Image?
}

extension TrainingTask {
  package var sampleBytes: Int { 0 }
  package var sampleImageBytes: Int { 0 }
  package func validationHistograms(_ sums: [Double]) -> [(name: String, counts: [Int])] { [] }
  package func initialValues(of parameter: Parameter) -> Vector? { nil }
  package func sampleImage(_ source: any ParameterStore) throws -> Image? { nil }
}

/// A loss and its named parts.
package struct LossReport: Sendable {
  /// The value that training minimises.
  package var loss: Double
  /// Parts in the order in which they are printed: ("text", 1.23), ("image", 2.34).
  package var parts: [(name: String, value: Double)]

  package init(loss: Double, parts: [(name: String, value: Double)]) {
    (self.loss, self.parts) = (loss, parts)
  }
}
