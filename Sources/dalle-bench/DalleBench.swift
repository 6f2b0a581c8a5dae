import ArgumentParser
import Commands

@main
struct DalleBench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "dalle-bench", abstract: "Measures how fast this machine trains, encodes, samples and reads data.",
    subcommands: [
      MachineCommand.self, CoresCommand.self, TrainCommand.self, DVAECommand.self, SampleCommand.self, DataCommand.self,
    ])

  static func main() { RankedCommand.main(Self.self) }
}
