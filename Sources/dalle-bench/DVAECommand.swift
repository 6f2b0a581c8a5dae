import ArgumentParser
import Commands
import Foundation
import Training

extension ReferenceShape.DVAE: ExpressibleByArgument {}

struct DVAECommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "dvae", abstract: "Measures training of the dVAE, and encoding with it, on images of noise.",
    discussion: "FLOPs are those of the convolutions: once forward and twice backward.")

  @OptionGroup var options: BenchOptions
  @OptionGroup var training: TrainingBenchOptions

  @Option(help: "dvae-64 (128 x 128 pixels, a quarter of the published channels) or dvae-256 (as published).")
  var shape = ReferenceShape.DVAE.dvae64

  @Option(parsing: .unconditional, help: "Images per step, over all ranks. Default: 4 for dvae-64, 2 for dvae-256.")
  var batch: Int?

  func validate() throws {
    if let batch, !(1...4096).contains(batch) { throw ValidationError("--batch is \(batch); it must lie between 1 and 4096") }
  }

  func run() {
    RankedCommand.withRanks { world, _ in
      let setting = try BenchSetting(world)
      let batch = batch ?? shape.batch
      let precision = try self.training.precision.resolved()
      let training = try TrainingBench.dvae(
        shape, batch: batch, precision: precision, self.training, repeats: options.repeats, world)
      let encoding = try EncodingBench(shape, batch: batch, precision: precision, repeats: options.repeats, world)
      let peaks = try MachinePeaks(world, repeats: options.repeats)
      guard world.rank == 0 else { return }
      try options.print(
        DVAEOutput(
          machine: peaks, training: training, encoding: encoding, efficiency: training.efficiency(peak: peaks.peak(precision))),
        "\(setting.text)\n\(peaks.text)\n\(training.text(peak: peaks.peak(precision)))\n\(encoding.text(peak: peaks.peak(precision)))"
      )
    }
  }

  private struct DVAEOutput: Encodable {
    let machine: MachinePeaks
    let training: TrainingBench
    let encoding: EncodingBench
    /// Share of the GEMM peak that forward and backward passes reach.
    let efficiency: Double
  }
}
