import ArgumentParser

@main
struct DalleBench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "dalle-bench", abstract: "Measures how fast this machine does each part of the work.", subcommands: [DataCommand.self])
}
