import ArgumentParser
import Commands
import Errors
import Files
import Foundation
import MPI
import Monitoring
import Parallel
import Preparation
import Training

@main
struct DalleTrain: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "dalle-train",
    abstract: "Trains the models of a run: tokenizer, dVAE, token shards, transformer.",
    discussion: """
      Start it with mpirun for several ranks: mpirun -n 8 dalle-train. It runs every stage that is not finished; the same command \
      resumes where an earlier one stopped. SIGTERM, SIGINT, SIGHUP and SIGUSR1 save a checkpoint and stop, with exit code 79.
      To use a tokenizer or a dVAE from elsewhere, copy its files into RUN/model before the first start; its stage then counts as \
      finished.
      """)

  @Option(
    help:
      """
      YAML file with the configuration; keys that it does not have take the published system's value. See Configs/ and \
      Docs/configuration.md. Default: Configs/demo.yaml, here or beside the program.
      """)
  var config: String?

  @Option(
    name: .customLong("run"),
    help: "Folder of the run: products, checkpoints, logs. Default: runs/ and the name of the configuration file.")
  var folder: String?

  @Option(help: ArgumentHelp("Run this stage alone: \(PublishedStages.names.joined(separator: ", ")).", valueName: "stage"))
  var stage: String?

  @Option(
    help: ArgumentHelp(
      "Remove the products and checkpoints of this stage and of the later ones, then run them. To resume, give the same command without this option.",
      valueName: "stage"))
  var restartFrom: String?

  @Option(
    name: .customLong("set"),
    help: ArgumentHelp("Change one value of the configuration, for example seed=2; may be repeated.", valueName: "key.path=value"))
  var overrides: [String] = []

  @Flag(name: .customLong("plan"), help: "Print parameters, FLOPs, memory and the batch layout; train nothing.")
  var showsPlan = false

  @Option(
    name: .customLong("cluster"),
    help: ArgumentHelp(
      """
      With --plan: predict time and memory of a step, and the best checkpoint interval, on the cluster that this YAML file describes, \
      instead of for the ranks of this job (Docs/scale.md).
      """, valueName: "file"))
  var clusterFile: String?

  @Flag(name: .customLong("json"), help: "With --plan: print JSON instead of text.")
  var printsJSON = false

  func validate() throws {
    guard !showsPlan else { return }
    if clusterFile != nil {
      throw ValidationError("--cluster describes a cluster to plan for, and trains nothing; add --plan, or leave --cluster out")
    }
    if printsJSON { throw ValidationError("--json is for plans; add --plan, or leave --json out") }
  }

  static func main() { RankedCommand.main(Self.self) }

  func run() { RankedCommand.withRanks(isStarting: true, train) }

  private func train(in world: Communicator, _ stop: StopRequest) throws {
    stop.explain("stopped by a signal; to resume: \(resumeCommand(ranks: world.size))")
    let path = try config ?? world.decide { defaultConfig }
    let config = try ConfigFile.load(path, overrides: overrides)
    if let clusterFile {
      let file = try ClusterFile(clusterFile)
      try file.validate(config)
      if world.rank == 0 { try show(Plan(config, on: file.cluster, process: ProcessMemory(threads: 1))) }
      return
    }
    try config.validate(ranks: world.size)
    for (name, isEnabled) in [("decoder", config.decoder.enabled), ("clip", config.clip.enabled)] where stage == name && !isEnabled
    {
      throw DalleError(
        .usage, "--stage \(name): `\(name).enabled` is false, so the run has no such stage; add --set \(name).enabled=true")
    }
    let grid = try ProcessGrid(world, ranksPerNode: config.parallel.ranksPerNode)
    let plan = Plan(
      config, ranks: world.size, ranksPerNode: grid.node.size,
      process: ProcessMemory(threads: try UsableCores().share(among: grid.machine)))
    if showsPlan {
      if grid.isCoordinator { try show(plan) }
      return
    }
    if grid.isCoordinator, let remark = plan.publishedSize { print("\(path): \(remark)") }
    try plan.checkMemory()
    let name = ((path as NSString).lastPathComponent as NSString).deletingPathExtension
    let run = try Run(config, folder: RunFolder(folder ?? "runs/\(name)"), grid: grid, stop: stop)
    RankedCommand.isStarted()
    try run.run(PublishedStages.stages(of: run), only: stage, restartFrom: restartFrom)
  }

  private func show(_ plan: Plan) throws {
    print(
      try printsJSON ? String(decoding: JSON.pretty(plan.report()), as: UTF8.self) : plan.text(), terminator: printsJSON ? "" : "\n"
    )
  }

  /// `Configs/demo.yaml` in this folder; without it, that in a folder above the program, which is where it was built.
  private var defaultConfig: String {
    let name = "Configs/demo.yaml"
    if FileManager.default.fileExists(atPath: name) { return name }
    var folder = (Bundle.main.executablePath ?? "") as NSString
    while folder.length > 1 {
      folder = folder.deletingLastPathComponent as NSString
      let path = folder.appendingPathComponent(name)
      if FileManager.default.fileExists(atPath: path) { return path }
    }
    return name
  }

  /// What resumes this run, for a shell.
  private func resumeCommand(ranks: Int) -> String {
    var words = Program.arguments
    // The products have been removed, and must not be removed twice.
    if let index = words.firstIndex(of: "--restart-from") { words.removeSubrange(index...min(index + 1, words.count - 1)) }
    words.removeAll { $0.hasPrefix("--restart-from=") }
    let plain = CharacterSet(charactersIn: "_-./=:,+@%").union(.alphanumerics)
    let quoted = words.map { word in
      !word.isEmpty && word.unicodeScalars.allSatisfy(plain.contains)
        ? word : "'" + word.replacingOccurrences(of: "'", with: "'\\''") + "'"
    }
    return (ranks == 1 ? "" : "mpirun -n \(ranks) ") + quoted.joined(separator: " ")
  }
}
