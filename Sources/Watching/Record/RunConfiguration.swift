import Files
import Foundation
import Yams

/// The configuration of a run's newest job, `config.yaml`, key by key.
package struct RunConfiguration: Sendable {
  /// The file as it is.
  package let text: String
  /// Values as text by key path, such as `dvae.training.batch`.
  package let values: [String: String]

  /// The most that is shown; a configuration has some kB.
  private static let byteLimit = 1 << 20

  /// - Throws: `DalleError`, or what is wrong with the YAML.
  init(_ path: String) throws {
    text = String(decoding: try readFile(path).prefix(Self.byteLimit), as: UTF8.self)
    var values: [String: String] = [:]
    if let root = try Yams.compose(yaml: text) { Self.collect(root, path: "", into: &values) }
    self.values = values
  }

  private static func collect(_ node: Node, path: String, into values: inout [String: String]) {
    guard case .mapping(let mapping) = node else {
      values[path] = flat(node)
      return
    }
    for (key, value) in mapping {
      let name = key.string ?? "?"
      collect(value, path: path.isEmpty ? name : "\(path).\(name)", into: &values)
    }
  }

  /// A value on one line.
  private static func flat(_ node: Node) -> String {
    switch node {
    case .scalar(let scalar): scalar.string.isEmpty ? "''" : scalar.string
    case .sequence(let sequence): "[" + sequence.map(flat).joined(separator: ", ") + "]"
    case .mapping(let mapping): "{" + mapping.map { "\($0.string ?? "?"): \(flat($1))" }.joined(separator: ", ") + "}"
    case .alias: "*"
    }
  }

  /// Keys whose values are not the same in all of several runs, in alphabetical order, each with its value in every run; nil where a
  /// run does not have the key.
  package static func differences(_ runs: [RunConfiguration]) -> [(key: String, values: [String?])] {
    let keys = Set(runs.flatMap(\.values.keys)).sorted()
    return keys.map { key in (key, runs.map { $0.values[key] }) }.filter { Set($0.values).count > 1 }
  }
}
