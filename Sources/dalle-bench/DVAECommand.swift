import ArgumentParser
import Commands
import Foundation
import Training

extension ReferenceShape.DVAE: ExpressibleByArgument {}

struct DVAECommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "dvae", abstract: "Measures training of the dVAE, and encoding with it: images of noise.",
    discussion: "The FLOPs that are counted are those of the convolutions, forward and twice backward.")

  @OptionGroup var options: BenchOptions

  @Option(help: "dvae-64 (128 x 128 pixels, a quarter of the channels) or dvae-256 (as published).")
  var shape = ReferenceShape.DVAE.dvae64

  @Option(help: "auto, fp32 or bf16.")
  var precision = PrecisionChoice.auto

  @Option(help: "Images per step, over all ranks. Default: 4, for dvae-256 two.")
  var batch: Int?

  func validate() throws {
    if let batch, !(1...4096).contains(batch) { throw ValidationError("--batch is \(batch); it must lie between 1 and 4096") }
  }

  func run() {
    RankedCommand.withRanks { world, _ in
      let setting = try BenchSetting(world)
      let batch = batch ?? shape.batch
      let precision = try precision.resolved()
      let training = try TrainingBench.dvae(
        shape, batch: batch, precision: precision, gradientBlocks: options.gradientBlocks, repeats: options.repeats, world)
      let encoding = try EncodingBench(shape, batch: batch, precision: precision, repeats: options.repeats, world)
      let rates = try MachineRates(world, repeats: options.repeats)
      guard world.rank == 0 else { return }
      try options.print(
        DVAEOutput(machine: rates, training: training, encoding: encoding),
        "\(setting.text)\n\(rates.text)\n\(training.text(peak: rates.peak(precision)))\n\(encoding.text(peak: rates.peak(precision)))"
      )
    }
  }

  private struct DVAEOutput: Encodable {
    let machine: MachineRates
    let training: TrainingBench
    let encoding: EncodingBench
  }
}
