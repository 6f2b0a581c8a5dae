import Kernels
import Layers
import Parallel
import Training

/// What the perceptron brings to the trainer. Its losses are two sums: of ½ (answer - target)², and of samples.
final class PerceptronTask: TrainingTask {
  let name = "perceptron"
  let model = Perceptron()
  var table: ParameterTable { model.table }
  let precision = Precision.fp32
  var flops: Double { 6 * Double(table.parameterCount) }
  let unit = (name: "samples", perSample: 1.0)
  let load: @Sendable (_ step: Int, _ part: Range<Int>) throws -> Points
  private let training: TrainingConfig

  /// The step in which one sample, the last of the batch, spoils the gradient of its rank, though not its loss.
  static let spoiledStep = 50

  init(_ training: TrainingConfig) {
    self.training = training
    load = { step, part in
      var points = Points(step * training.batch + part.lowerBound..<step * training.batch + part.upperBound)
      points.areSpoiled = step == Self.spoiledStep && part.contains(training.batch - 1)
      return points
    }
  }

  var activationBytes: Int { 8 * Perceptron.widths.reduce(0, +) * training.microBatch }

  func count(_ batch: Points) -> Int { batch.count }
  func denominators(_ batch: Points) -> [Double] { [Double(batch.count)] }

  func forwardBackward(
    _ batch: Points, rows: Range<Int>, step: Int, denominators: [Double], source: any ParameterStore
  ) throws -> [Double] {
    let part = batch.rows(rows)
    let answers = try model.forwardBackward(part, source, scale: batch.areSpoiled ? .infinity : Float(1 / denominators[0]))
    return [part.loss(answers), Double(part.count)]
  }

  func validate(rank: Int, of ranks: Int, source: any ParameterStore) throws -> [Double] {
    let all = Points(Points.validation)
    let mine = all.rows(ProcessGrid.share(of: all.count, rank: rank, ranks: ranks))
    return [mine.loss(try model.answers(mine, source)), Double(mine.count)]
  }

  let sumCount = 2
  func report(_ sums: [Double]) -> LossReport { LossReport(loss: sums[0] / sums[1], parts: []) }
  func validationReport(_ sums: [Double]) -> [(name: String, value: Double)] { [("loss", sums[0] / sums[1])] }
}
