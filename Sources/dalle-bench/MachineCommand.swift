import ArgumentParser
import Commands
import Foundation

struct MachineCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "machine", abstract: "Measures the machine: GEMM peak, memory bandwidth, sums of gradients between ranks.",
    discussion: """
      All ranks of mpirun work at the same time; numbers are for all ranks together, those of sums for the ranks of a machine. With --json \
      the output is the `machine` of a cluster file (Docs/scale.md).
      """)

  @OptionGroup var options: BenchOptions

  func run() {
    RankedCommand.withRanks { world, _ in
      let setting = try BenchSetting(world)
      let peaks = try MachinePeaks(world, repeats: options.repeats)
      if world.rank == 0 { try options.print(peaks, "\(setting.text)\n\(peaks.text)") }
    }
  }
}
