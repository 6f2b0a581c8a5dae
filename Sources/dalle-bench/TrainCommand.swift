import ArgumentParser
import Commands
import Foundation
import Kernels
import MPI
import Models
import Monitoring
import Training

extension ReferenceShape.Transformer: ExpressibleByArgument {}

struct TrainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "train",
    abstract: "Measures training of a transformer on random tokens.",
    discussion: """
      A step is a step of dalle-train: forward, backward, reduction of gradients, gradient norm, AdamW with EMA. FLOPs are those \
      that the model needs: GEMMs once forward and twice backward, attention over the pairs that its sparse patterns allow.
      """)

  @OptionGroup var options: BenchOptions
  @OptionGroup var training: TrainingBenchOptions

  @Option(
    help: """
      small (8 layers, width 512, 256 + 1024 tokens, 51 million parameters) or emoji-512 (6 layers, width 512, 256 + 144 tokens, \
      21.8 million parameters).
      """)
  var shape = ReferenceShape.Transformer.small

  @Option(parsing: .unconditional, help: "Samples per step, over all ranks.")
  var batch = 2

  func validate() throws {
    guard (1...4096).contains(batch) else { throw ValidationError("--batch is \(batch); it must lie between 1 and 4096") }
  }

  func run() {
    RankedCommand.withRanks { world, _ in
      let setting = try BenchSetting(world)
      // The training first: its start and its memory are measured from the process's.
      let result = try TrainingBench.transformer(
        shape, batch: batch, precision: try training.precision.resolved(), training,
        repeats: options.repeats, world)
      let peaks = try MachinePeaks(world, repeats: options.repeats)
      guard world.rank == 0 else { return }
      try options.print(
        TrainOutput(machine: peaks, training: result, efficiency: result.efficiency(peak: peaks.peak(result.precision))),
        "\(setting.text)\n\(peaks.text)\n\(result.text(peak: peaks.peak(result.precision)))")
    }
  }

  private struct TrainOutput: Encodable {
    let machine: MachinePeaks
    let training: TrainingBench
    /// Share of the GEMM peak that forward and backward passes reach.
    let efficiency: Double
  }
}
