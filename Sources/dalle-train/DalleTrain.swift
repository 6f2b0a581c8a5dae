import ArgumentParser
import Commands
import Foundation
import MPI
import Parallel
import Training

extension Stage: ExpressibleByArgument {}

@main
struct DalleTrain: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "dalle-train",
    abstract: "Trains the models of a run: tokenizer, dVAE, token shards, transformer.",
    discussion: """
      Start it with mpirun for several ranks: mpirun -n 8 dalle-train. Every stage that is not finished is done; the same \
      command goes on where an earlier one stopped. SIGTERM, SIGINT and SIGUSR1 save a checkpoint and stop.
      """)

  @Option(help: "YAML file; what it leaves out keeps the published system's value. See Configs/.")
  var config = "Configs/demo.yaml"

  @Option(name: .customLong("run"), help: "Folder for everything the run makes. Default: runs/ and the name of the configuration.")
  var folder: String?

  @Option(help: "Do this stage alone.")
  var stage: Stage?

  @Option(
    name: .customLong("set"),
    help: ArgumentHelp("Change one value of the configuration; may be repeated.", valueName: "key.path=value"))
  var overrides: [String] = []

  @Flag(help: "Print parameters, FLOPs, memory and the batch layout, and train nothing.")
  var plan = false

  static func main() { RankedCommand.main(Self.self) }

  func run() { RankedCommand.withRanks(train) }

  private func train(in world: Communicator) throws {
    let config = try ConfigFile.load(config, overrides: overrides)
    let grid = try ProcessGrid(world, ranksPerNode: config.parallel.ranksPerNode)
    if plan {
      if grid.isCoordinator { print(try Plan(config, ranks: world.size, ranksPerNode: grid.node.size).text()) }
      return
    }
    let name = ((self.config as NSString).lastPathComponent as NSString).deletingPathExtension
    do {
      let run = try Run(config, folder: RunFolder(folder ?? "runs/\(name)"), grid: grid, stop: StopSignal())
      _ = try run.run(stage.map { [$0] } ?? Stage.allCases)
    } catch is StoppedBySignal {
      if grid.isCoordinator { print("stopped by a signal; the same command goes on") }
    }
  }
}
