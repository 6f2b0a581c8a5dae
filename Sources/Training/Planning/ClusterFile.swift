import Errors
import Files
import Foundation
import Yams

/// The file that describes a cluster: YAML, in which each key is checked against its declaration, as those of the configuration are.
package struct ClusterFile {
  package let cluster: Cluster
  private let path: String
  /// Where a key's value was given: file and line.
  private let origins: [String: String]

  private static let flops = Numbers.between(1e6, 1e21)
  private static let bytes = Numbers.between(1e3, 1e18)

  /// Every key.
  static let sections = [
    ConfigSection(
      path: "", text: "What a cluster has.",
      keys: [
        .integer("nodes", 1...65_536, "Machines."),
        .integer("ranksPerNode", 1...4096, unit: "ranks", "Ranks on each."),
        .number("memory", bytes, unit: "bytes", "Memory of a node that a training may take."),
        .number(
          "efficiency", .between(0.01, 1),
          "Share of the GEMM peak that forward and backward passes reach: `efficiency` of `dalle-bench train --json`."),
        .number("storage", bytes, unit: "bytes/s", "What one process writes to the run's folder, until it is on disk."),
        .number(
          "nodeHoursBetweenFailures", .between(0.01, 1e9), unit: "hours", "Mean time from one failure of a node to its next."),
      ]),
    ConfigSection(
      path: "machine",
      text: "A node's rates with all its ranks at work: the file that `dalle-bench machine --json` wrote, or its keys.",
      keys: [
        .number("fp32", flops, unit: "FLOP/s", "Large GEMMs in fp32."),
        .number("bf16", flops, unit: "FLOP/s", "Large GEMMs in bf16; none where the CPU has no bf16."),
        .number("memory", bytes, unit: "bytes/s", "Reading and writing arrays that are larger than the caches."),
        .number("allReduce", bytes, unit: "bytes/s", "Gradients that the ranks sum; none for one rank."),
      ]),
    ConfigSection(
      path: "network", text: "What connects nodes.",
      keys: [
        .number("bandwidth", .between(1e3, 1e15), unit: "bits/s", "What a node sends, and receives at the same time."),
        .number("latency", .between(0, 10), unit: "seconds", "From a rank to one of another node, for a short message."),
        .number(
          "processing", bytes, unit: "bytes/s",
          "What a rank sends, and receives and sums at the same time, where the link is no limit; none if messages take no processor."
        ),
      ]),
  ]
  private static let keys = Dictionary(
    uniqueKeysWithValues: sections.flatMap { section in section.keys.map { (section.path(of: $0), $0) } })

  /// - Throws: `DalleError(.configuration)` that names file, line, key, value and limit.
  package init(_ path: String) throws {
    guard let text = String(validating: try readFile(path), as: UTF8.self) else {
      throw DalleError(.configuration, "\(path): is not UTF-8 text; save it as UTF-8")
    }
    try self.init(text, path: path)
  }

  /// The same for YAML that is in memory; `path` is its name in messages, and where files that it names are looked for.
  init(_ text: String, path: String) throws {
    self.path = path
    var reader = Reader()
    try reader.read(text, path: path, below: "")
    origins = reader.origins
    func problem(_ key: String, _ text: String) -> DalleError {
      DalleError(.configuration, "\(reader.origins[key] ?? path): `\(key)` \(text)")
    }
    func number(_ key: String) throws -> Double {
      guard let value = reader.values[key]?.float else {
        let declaration = Self.keys[key]!
        let limits = declaration.limits + (declaration.unit.isEmpty ? "" : ", in \(declaration.unit)")
        throw problem(key, "is missing; add it (\(limits)): \(declaration.text)")
      }
      return value
    }
    func optional(_ key: String) throws -> Double? { reader.values[key] == nil ? nil : try number(key) }

    let (nodes, ranksPerNode) = (Int(try number("nodes")), Int(try number("ranksPerNode")))
    if nodes * ranksPerNode > 65_536 {
      throw problem(
        "nodes", "is \(nodes); with \(ranksPerNode) ranks on each (`ranksPerNode`) it must be at most \(65_536 / ranksPerNode)")
    }
    if ranksPerNode > 1, reader.values["machine.allReduce"] == nil {
      throw problem(
        "machine.allReduce",
        "is missing; with `ranksPerNode: \(ranksPerNode)` run `mpirun -n \(ranksPerNode) dalle-bench machine --json` "
          + "on a node, which measures it")
    }
    cluster = Cluster(
      nodes: nodes, ranksPerNode: ranksPerNode, memory: Int(try number("memory")),
      machine: Cluster.Machine(
        fp32: try number("machine.fp32"), bf16: try optional("machine.bf16"), memory: try number("machine.memory"),
        allReduce: try optional("machine.allReduce")),
      efficiency: try optional("efficiency"),
      network: nodes == 1
        ? nil
        : Cluster.Network(
          bandwidth: try number("network.bandwidth"), latency: try number("network.latency"),
          processing: try optional("network.processing")),
      storage: try number("storage"), nodeHoursBetweenFailures: try number("nodeHoursBetweenFailures"))
  }

  /// Checks that a run can be made on the cluster at all.
  ///
  /// - Throws: `DalleError(.configuration)`.
  package func validate(_ config: RunConfig) throws {
    func problem(_ key: String, _ text: String) -> DalleError {
      DalleError(.configuration, "\(origins[key] ?? path): `\(key)` \(text)")
    }
    try config.validate(ranks: cluster.ranks)
    let ranksPerNode = config.parallel.ranksPerNode
    if ranksPerNode != 0, ranksPerNode != cluster.ranksPerNode {
      throw problem(
        "ranksPerNode",
        "is \(cluster.ranksPerNode), and `parallel.ranksPerNode` of the configuration is \(ranksPerNode); they must be equal, or the "
          + "configuration's 0")
    }
    for (model, training) in config.trainings
    where training.batch < cluster.nodes {
      throw problem(
        "nodes",
        "is \(cluster.nodes), and `\(model).training.batch` is \(training.batch): every node needs a sample; set the batch to at least "
          + "\(cluster.nodes), or take fewer nodes")
    }
    if config.precision == .bf16, cluster.machine.bf16 == nil {
      throw DalleError(
        .configuration,
        "\(path): `machine.bf16` is missing, and `precision` of the configuration is bf16; add it, or set precision to auto or fp32"
      )
    }
  }

  /// Collects the values of a file, and of the one that it names.
  private struct Reader {
    var values: [String: Node] = [:]
    var origins: [String: String] = [:]

    /// - Parameter section: whose keys the text has; empty for all.
    mutating func read(_ text: String, path: String, below section: String) throws {
      let tree: Node?
      do { tree = try Yams.compose(yaml: text) } catch {
        throw DalleError(.configuration, "\(path): not valid YAML: \(error)")
      }
      try merge(tree ?? Node([:]), path: path, section: section, line: 1)
    }

    private mutating func merge(_ tree: Node, path: String, section name: String, line: Int) throws {
      let section = ClusterFile.sections.first { $0.path == name }!
      guard case .mapping(let mapping) = tree else {
        let names = section.keys.map(\.name).joined(separator: ", ")
        throw DalleError(
          .configuration,
          "\(path):\(line): \(name.isEmpty ? "a cluster" : "`\(name)`") is a section with the keys \(names), not a value or a list")
      }
      for (word, value) in mapping {
        let line = value.mark?.line ?? line
        guard let word = word.string else { throw DalleError(.configuration, "\(path):\(line): a key is not a word") }
        let key = name.isEmpty ? word : "\(name).\(word)"
        if name.isEmpty, ClusterFile.sections.contains(where: { $0.path == word }) {
          if word == "machine", case .scalar(let scalar) = value {
            try readMachine(scalar.string, from: path, line: line)
          } else {
            try merge(value, path: path, section: word, line: line)
          }
        } else if let declaration = ClusterFile.keys[key] {
          guard case .scalar = value else { throw DalleError(.configuration, "\(path):\(line): `\(key)` takes one value") }
          if let problem = declaration.problem(with: value) {
            throw DalleError(.configuration, "\(path):\(line): `\(key)` \(problem)")
          }
          values[key] = value
          origins[key] = "\(path):\(line)"
        } else {
          throw unknown(word, path: path, line: line, section)
        }
      }
    }

    /// A file beside the cluster's, unless its path begins with `/`.
    private mutating func readMachine(_ name: String, from path: String, line: Int) throws {
      let file =
        name.hasPrefix("/") ? name : ((path as NSString).deletingLastPathComponent as NSString).appendingPathComponent(name)
      let bytes: Data
      do { bytes = try readFile(file) } catch {
        throw DalleError(
          .configuration,
          "\(path):\(line): `machine` names a file that cannot be read: \(error); `dalle-bench machine --json` under mpirun on a node writes one"
        )
      }
      try read(String(decoding: bytes, as: UTF8.self), path: file, below: "machine")
    }

    private func unknown(_ word: String, path: String, line: Int, _ section: ConfigSection) -> DalleError {
      let known = section.keys.map(\.name) + (section.path.isEmpty ? ClusterFile.sections.map(\.path).filter { !$0.isEmpty } : [])
      let prefix = section.path.isEmpty ? "" : "\(section.path)."
      let hint =
        nearest(to: word, among: known).map { "; did you mean `\(prefix)\($0)`?" }
        ?? "; known here: \(known.sorted().joined(separator: ", "))"
      return DalleError(.configuration, "\(path):\(line): unknown key `\(prefix)\(word)`\(hint)")
    }
  }
}
