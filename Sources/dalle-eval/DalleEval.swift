import ArgumentParser

@main
struct DalleEval: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "dalle-eval", abstract: "Measures a trained model.", subcommands: [ScenesCommand.self, ImagesCommand.self])
}
