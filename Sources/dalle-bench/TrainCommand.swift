import ArgumentParser
import Commands
import Foundation
import Kernels
import MPI
import Models
import Monitoring
import Training

extension PrecisionChoice: ExpressibleByArgument {}

struct TrainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "train", abstract: "Measures training of the transformer: the shape `small`, random tokens.",
    discussion: """
      A step is what dalle-train does: forward, backward, reduction, norm, AdamW with EMA. The FLOPs that are counted are \
      those that the model needs: GEMMs forward and twice backward, and the pairs that the sparse attention allows.
      """)

  @OptionGroup var options: BenchOptions

  @Option(help: "Samples per step, over all ranks.")
  var batch = 2

  @Option(help: "auto, fp32 or bf16.")
  var precision = PrecisionChoice.auto

  func validate() throws {
    guard (1...4096).contains(batch) else { throw ValidationError("--batch is \(batch); it must lie between 1 and 4096") }
  }

  func run() {
    RankedCommand.withRanks { world, _ in
      let setting = try BenchSetting(world)
      // The training first: its start and its memory are measured from the process's.
      let result = try TrainingBench.transformer(
        ReferenceShape.small, batch: batch, precision: try precision.resolved(), gradientBlocks: options.gradientBlocks,
        repeats: options.repeats, world)
      let rates = try MachineRates(world, repeats: options.repeats)
      guard world.rank == 0 else { return }
      try options.print(
        TrainOutput(machine: rates, training: result),
        "\(setting.text)\n\(rates.text)\n\(result.text(peak: rates.peak(result.precision)))")
    }
  }

  private struct TrainOutput: Encodable {
    let machine: MachineRates
    let training: TrainingBench
  }
}
