import ArgumentParser

@main
struct DalleEval: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "dalle-eval", abstract: "Measures a model.")
}
