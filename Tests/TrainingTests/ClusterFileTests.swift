import Errors
import Foundation
import Kernels
import Testing

@testable import Training

private let whole = """
  nodes: 4
  ranksPerNode: 2
  memory: 64e9
  machine: {fp32: 1e12, bf16: 2e12, memory: 50e9, allReduce: 5e9}
  efficiency: 0.7
  network:
    bandwidth: 10e9
    latency: 5e-5
  storage: 1e9
  nodeHoursBetweenFailures: 5000
  """

/// The file with a line in place of another.
private func changed(_ line: String, to new: String) -> String {
  precondition(whole.contains(line))
  return whole.replacingOccurrences(of: line, with: new)
}

private func message(_ body: () throws -> Void) -> String {
  do {
    try body()
    return "no error"
  } catch let error as DalleError {
    return error.kind == .configuration ? error.description : "\(error.kind): \(error)"
  } catch { return "\(error)" }
}
private func message(_ yaml: String) -> String { message { _ = try ClusterFile(yaml, path: "c.yaml") } }

private func folder(_ body: (_ path: String) throws -> Void) throws {
  let path = NSTemporaryDirectory() + "cluster-\(UUID().uuidString)"
  try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(atPath: path) }
  try body(path)
}

@Suite struct ClusterFileTests {
  @Test func everyKeyIsRead() throws {
    let cluster = try ClusterFile(whole, path: "c.yaml").cluster
    #expect(
      cluster
        == Cluster(
          nodes: 4, ranksPerNode: 2, memory: 64_000_000_000,
          machine: Cluster.Machine(fp32: 1e12, bf16: 2e12, memory: 50e9, allReduce: 5e9), efficiency: 0.7,
          network: Cluster.Network(bandwidth: 10e9, latency: 5e-5), storage: 1e9, nodeHoursBetweenFailures: 5000))
    #expect(cluster.ranks == 8 && cluster.secondsBetweenFailures == 1250 * 3600)
    #expect(cluster.speed(.fp32) == 0.7e12 && cluster.speed(.bf16) == 1.4e12)
    #expect(cluster.precision(.auto) == .bf16 && cluster.precision(.fp32) == .fp32)
  }

  /// Ranks alone sum nothing, nodes alone have no network, and efficiencies and bf16 may be unknown.
  @Test func whatIsNotNeededMayBeMissing() throws {
    let cluster = try ClusterFile(
      """
      {nodes: 1, ranksPerNode: 1, memory: 1e9, machine: {fp32: 1e11, memory: 1e10}, storage: 1e8, nodeHoursBetweenFailures: 100}
      """, path: "c.yaml"
    ).cluster
    #expect(cluster.network == nil && cluster.machine.allReduce == nil && cluster.precision(.auto) == .fp32)
    #expect(cluster.speed(.fp32) == 0.93e11)
  }

  @Test func messagesMayTakeProcessors() throws {
    let cluster = try ClusterFile(changed("latency: 5e-5", to: "latency: 5e-5\n  processing: 2e9"), path: "c.yaml").cluster
    #expect(cluster.network == Cluster.Network(bandwidth: 10e9, latency: 5e-5, processing: 2e9))
  }

  @Test(arguments: [
    ("nodes: 4", "nodse: 4", "c.yaml:1: unknown key `nodse`; did you mean `nodes`?"),
    ("nodes: 4", "nodes: 0", "c.yaml:1: `nodes` is 0; it must lie between 1 and 65536"),
    ("nodes: 4", "nodes: many", "c.yaml:1: `nodes` is `many`, which is not a whole number"),
    ("nodes: 4", "nodes: [4]", "c.yaml:1: `nodes` takes one value"),
    ("nodes: 4", "nodes: 65536", "c.yaml:1: `nodes` is 65536; with 2 ranks on each (`ranksPerNode`) it must be at most 32768"),
    (
      "ranksPerNode: 2", "", "c.yaml: `ranksPerNode` is missing; add it (1 to 4096, in ranks): Ranks on each."
    ),
    ("memory: 64e9", "memory: 64", "c.yaml:3: `memory` is 64; it must be between 1000 and 1e+18 (bytes)"),
    ("memory: 64e9", "memory: .inf", "c.yaml:3: `memory` is .inf; it must be between 1000 and 1e+18 (bytes)"),
    ("fp32: 1e12", "fp32: fast", "c.yaml:4: `machine.fp32` is `fast`, which is not a number"),
    ("fp32: 1e12", "fp64: 1e12", "c.yaml:4: unknown key `machine.fp64`; did you mean `machine.fp32`?"),
    (
      ", allReduce: 5e9", "",
      "c.yaml: `machine.allReduce` is missing; with `ranksPerNode: 2` run `mpirun -n 2 dalle-bench machine --json` on a node, which measures it"
    ),
    ("efficiency: 0.7", "efficiency: 70", "c.yaml:5: `efficiency` is 70; it must be between 0.01 and 1"),
    (
      "  bandwidth: 10e9\n", "",
      "c.yaml: `network.bandwidth` is missing; add it (between 1000 and 1e+15, in bits/s): What a node sends, and receives at the same time."
    ),
    ("latency: 5e-5", "latency: -1", "c.yaml:8: `network.latency` is -1; it must be between 0 and 10 (seconds)"),
    ("storage: 1e9", "storage: {bandwidth: 1e9}", "c.yaml:9: `storage` takes one value"),
    (
      "nodeHoursBetweenFailures: 5000", "nodeHoursBetweenFailures: 0",
      "c.yaml:10: `nodeHoursBetweenFailures` is 0; it must be between 0.01 and 1e+09 (hours)"
    ),
    (
      "network:\n  bandwidth: 10e9\n  latency: 5e-5", "network: fast",
      "c.yaml:6: `network` is a section with the keys bandwidth, latency, processing, not a value or a list"
    ),
  ])
  func mistakesAreNamed(line: String, new: String, expected: String) { #expect(message(changed(line, to: new)) == expected) }

  @Test func whatIsNoClusterIsRefused() {
    #expect(
      message("[1, 2]")
        == "c.yaml:1: a cluster is a section with the keys nodes, ranksPerNode, memory, efficiency, storage, nodeHoursBetweenFailures, not a "
        + "value or a list")
    #expect(message("nodes: [").hasPrefix("c.yaml: not valid YAML"))
    #expect(message("").contains("`nodes` is missing; add it (1 to 65536)"))
    #expect(
      message { _ = try ClusterFile("/nowhere/c.yaml") }
        == "noInput: /nowhere/c.yaml: cannot be opened: No such file or directory; check the path")
  }

  /// What `dalle-bench machine --json` writes is read as it is.
  @Test func ratesComeFromTheFileThatMeasuresThem() throws {
    let inline = "machine: {fp32: 1e12, bf16: 2e12, memory: 50e9, allReduce: 5e9}"
    let yaml = changed(inline, to: "machine: machine.json")
    try folder { path in
      func write(_ text: String) throws { try text.write(toFile: path + "/machine.json", atomically: true, encoding: .utf8) }
      func problem() -> String {
        message { _ = try ClusterFile(yaml, path: path + "/c.yaml") }.replacingOccurrences(of: path, with: "DIR")
      }
      #expect(
        problem().hasPrefix(
          "DIR/c.yaml:4: `machine` names a file that cannot be read: DIR/machine.json: cannot be opened: No such file"))
      try write(
        "{\n  \"allReduce\" : 5000000000,\n  \"bf16\" : 2e12,\n  \"fp32\" : 1000000000000.5,\n  \"memory\" : 50000000000\n}\n")
      let cluster = try ClusterFile(yaml, path: path + "/c.yaml").cluster
      #expect(cluster.machine == Cluster.Machine(fp32: 1_000_000_000_000.5, bf16: 2e12, memory: 50e9, allReduce: 5e9))
      try write("{\n  \"fp32\" : 1e12,\n  \"memory\" : 1\n}\n")
      #expect(problem() == "DIR/machine.json:3: `machine.memory` is 1; it must be between 1000 and 1e+18 (bytes/s)")
      try write("{\"training\" : 3}")
      #expect(problem() == "DIR/machine.json:1: unknown key `machine.training`; known here: allReduce, bf16, fp32, memory")
      try write("no JSON")
      #expect(
        problem() == "DIR/machine.json:1: `machine` is a section with the keys fp32, bf16, memory, allReduce, not a value or a list"
      )
    }
  }

  /// What the run and the cluster together decide.
  @Test func runsThatDoNotFitTheClusterAreRefused() throws {
    func problem(_ yaml: String = whole, _ overrides: String...) -> String {
      message {
        let config = try ConfigFile.parse("", name: "run.yaml", overrides: overrides)
        try ClusterFile(yaml, path: "c.yaml").validate(config)
      }
    }
    #expect(problem() == "no error" && problem(whole, "parallel.ranksPerNode=2") == "no error")
    #expect(
      problem(whole, "parallel.ranksPerNode=4")
        == "c.yaml:2: `ranksPerNode` is 2, and `parallel.ranksPerNode` of the configuration is 4; they must be equal, or the configuration's 0"
    )
    #expect(
      problem(whole, "transformer.training.batch=3")
        == "c.yaml:1: `nodes` is 4, and `transformer.training.batch` is 3: every node needs a sample; set the batch to at least 4, or take fewer "
        + "nodes")
    #expect(
      problem(whole, "dvae.training.batch=7", "parallel.localUpdates=10").contains("it must be at least 8, the number of ranks"))
    #expect(
      problem(changed(", bf16: 2e12", to: ""), "precision=bf16")
        == "c.yaml: `machine.bf16` is missing, and `precision` of the configuration is bf16; add it, or set precision to auto or fp32"
    )
  }

  private func plan(_ yaml: String = whole, _ overrides: String...) throws -> Plan {
    let config = try ConfigFile.parse("", name: "run.yaml", overrides: ["transformer.model.layers=2"] + overrides)
    let file = try ClusterFile(yaml, path: "c.yaml")
    try file.validate(config)
    return Plan(config, on: file.cluster, process: ProcessMemory(threads: 1, held: 10_000_000))
  }

  /// The plan is that of the cluster's ranks and memory, whatever this machine is.
  @Test func aPlanIsOneOfTheClustersRanks() throws {
    let text = try plan().text()
    #expect(text.hasPrefix("8 ranks, 2 per node, bf16\n"))
    #expect(text.contains("; 64.0 GB available there"))
    for row in ["forward", "backward", "node sum", "exchange", "update"] {
      #expect(text.components(separatedBy: "\n    \(row) ").count == 3, "\(row)")
    }
    #expect(text.contains("checkpointEvery: ") && !text.contains("compression "))
    #expect(try plan(whole, "parallel.exchange=powersgd").text().contains("\n    compression "))
    #expect(try plan(changed("nodes: 4", to: "nodes: 1")).text().contains("exchange") == false)
    #expect(try plan(changed("nodes: 4", to: "nodes: 512")).text().contains("; 512 of 1,024 ranks have no sample"))
    #expect(try plan(changed("memory: 64e9", to: "memory: 1e9")).text().contains("TOO LARGE"))
    #expect(
      try Plan(RunConfig(), ranks: 8, ranksPerNode: 2, process: ProcessMemory(threads: 1, held: 10_000_000)).text().contains(
        "forward") == false)
  }

  @Test func aPlanForProgramsHasTheSameNumbers() throws {
    let plan = try plan()
    let report = try plan.report()
    for (model, reported) in zip(try plan.models(), report.models) {
      let (step, checkpoint) = try #require(try plan.time(model))
      #expect(reported.name == model.name && reported.stepSeconds == step && reported.checkpoint == checkpoint)
      #expect(reported.secondsPerStep == step.total && reported.bytesPerNode == model.memory.perNode)
    }
    let alone = try Plan(RunConfig(), ranks: 8, ranksPerNode: 2, process: ProcessMemory(threads: 1, held: 10_000_000)).report()
    #expect(alone.models.allSatisfy { $0.stepSeconds == nil && $0.checkpoint == nil } && alone.models.count == 2)
  }

  /// Every rate at the ends of its range gives a plan of finite numbers.
  @Test func noRateOverflows() throws {
    for section in ClusterFile.sections {
      for key in section.keys {
        guard case .number(.between(let low, let high)) = key.values else { continue }
        for value in [low, high] {
          let lines = whole.replacingOccurrences(
            of: "\\b\(key.name): [0-9.e-]+", with: "\(key.name): \(value)", options: .regularExpression)
          let report = try plan(lines).report()
          for model in report.models {
            #expect(try #require(model.secondsPerStep).isFinite && #require(model.checkpoint).interval.isFinite, "\(key.name)")
          }
        }
      }
    }
  }

  /// The document names every key.
  @Test func theDocumentHasEveryKey() throws {
    let path = #filePath.replacingOccurrences(of: "Tests/TrainingTests/ClusterFileTests.swift", with: "Docs/scale.md")
    let document = try String(contentsOfFile: path, encoding: .utf8)
    for section in ClusterFile.sections {
      for key in section.keys { #expect(document.contains("| `\(section.path(of: key))` |"), "\(key.name)") }
    }
  }

  @Test(arguments: [
    (0.0123, "12 ms"), (1.5, "1.50 s"), (59, "59.0 s"), (119, "119.0 s"), (120, "2.00 min"), (7200, "2.00 h"),
    (864_000, "10.0 days"),
  ])
  func durationsHaveAUnitThatFits(seconds: Double, text: String) { #expect(Plan.duration(seconds) == text) }
}
