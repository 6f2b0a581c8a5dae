import ArgumentParser
import Commands
import Foundation

struct MachineCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "machine", abstract: "Measures what the machine can do: GEMMs, memory, sums between ranks.",
    discussion: "All ranks of mpirun work at the same time; rates are of all together.")

  @OptionGroup var options: BenchOptions

  func run() {
    RankedCommand.withRanks { world, _ in
      let setting = try BenchSetting(world)
      let rates = try MachineRates(world, repeats: options.repeats)
      if world.rank == 0 { try options.print(rates, "\(setting.text)\n\(rates.text)") }
    }
  }
}
