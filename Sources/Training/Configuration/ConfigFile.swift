import Errors
import Files
import Foundation
import Yams

/// Reads a run's configuration: defaults, then a YAML file, then `--set key.path=value`; each key and value is checked against the
/// declarations, and the whole by `RunConfig.validate`.
package struct ConfigFile {
  private let path: String
  private var tree: Node
  private var origins: [String: String] = [:]

  /// - Parameters:
  ///   - path: a YAML file.
  ///   - overrides: `key.path=value` strings, later ones win.
  /// - Throws: `DalleError(.configuration)` that names the key, its file and line, and the nearest known key.
  package static func load(_ path: String, overrides: [String] = []) throws -> RunConfig {
    guard let text = String(validating: try readFile(path), as: UTF8.self) else {
      throw DalleError(.configuration, "\(path): the configuration is not UTF-8 text; save it as UTF-8")
    }
    return try parse(text, name: path, overrides: overrides)
  }

  /// The same for YAML that is already in memory; `name` stands for the file in messages.
  package static func parse(_ text: String, name: String, overrides: [String] = []) throws -> RunConfig {
    let defaults = try composed(YAMLEncoder().encode(RunConfig()), name: name) ?? Node([:])
    var file = ConfigFile(path: name, tree: defaults)
    if let given = try composed(text, name: name) {
      try file.merge(given, prefix: [], origin: nil)
    }
    for override in overrides { try file.apply(override) }
    return try file.decode()
  }

  private init(path: String, tree: Node) {
    self.path = path
    self.tree = tree
  }

  private static func composed(_ text: String, name: String) throws -> Node? {
    do {
      return try Yams.compose(yaml: text)
    } catch {
      throw DalleError(.configuration, "\(name): not valid YAML: \(error)")
    }
  }

  /// Lays `given` over the tree of known keys.
  private mutating func merge(_ given: Node, prefix: [String], origin: String?) throws {
    let key = prefix.joined(separator: ".")
    let location = origin ?? "\(path):\(given.mark?.line ?? 1)"
    guard let known = node(at: prefix) else { throw unknown(prefix, given, location: location) }
    switch (known, given) {
    case (.mapping, .mapping(let mapping)):
      for (name, value) in mapping {
        guard let name = name.string else { throw DalleError(.configuration, "\(location): a key below `\(key)` is not a word") }
        let line = origin ?? "\(path):\(value.mark?.line ?? given.mark?.line ?? 1)"
        if node(at: prefix + [name]) == nil { throw unknown(prefix + [name], value, location: line) }
        try merge(value, prefix: prefix + [name], origin: origin)
      }
    case (.mapping(let mapping), _):
      // An empty section (`dvae:` with nothing below) changes nothing.
      if case .scalar(let scalar) = given, scalar.string.isEmpty || scalar.string == "null" { return }
      let names = mapping.keys.compactMap(\.string).sorted().joined(separator: ", ")
      let what = key.isEmpty ? "a configuration" : "`\(key)`"
      throw DalleError(.configuration, "\(location): \(what) is a section with the keys \(names), not a value or a list")
    case (_, .scalar):
      if let problem = RunConfig.keys[key]?.problem(with: given) {
        throw DalleError(.configuration, "\(location): `\(key)` \(problem)")
      }
      tree = Self.replacing(tree, at: prefix[...], with: given)
      origins[key] = location
    default:
      throw DalleError(.configuration, "\(location): `\(key)` takes one value, not a list or a section")
    }
  }

  private mutating func apply(_ override: String) throws {
    guard let sign = override.firstIndex(of: "="), sign != override.startIndex else {
      throw DalleError(.configuration, "--set \(override): expected key.path=value, such as --set seed=2")
    }
    let prefix = override[..<sign].split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    let value = String(override[override.index(after: sign)...])
    try merge(Node(value), prefix: prefix, origin: "--set \(override)")
  }

  private func unknown(_ prefix: [String], _ value: Node, location: String) -> DalleError {
    let key = prefix.joined(separator: ".")
    for before in leaves(value, prefix: key) + [key] {
      if let now = RunConfig.renamedKeys[before] {
        return DalleError(.configuration, "\(location): `\(before)` is now `\(now)`; rename it")
      }
    }
    // Nearest among the neighbours first, then among the same word anywhere.
    let siblings = names(below: Array(prefix.dropLast()))
    var text = "\(location): unknown key `\(key)`"
    if let near = nearest(to: prefix[prefix.count - 1], among: siblings) {
      text += "; did you mean `\((prefix.dropLast() + [near]).joined(separator: "."))`?"
    } else if let near = nearest(to: key, among: leaves(tree, prefix: "")) {
      text += "; did you mean `\(near)`?"
    } else if !siblings.isEmpty {
      text += "; known here: \(siblings.sorted().joined(separator: ", "))"
    }
    return DalleError(.configuration, text)
  }

  private func node(at prefix: [String]) -> Node? {
    prefix.reduce(Optional(tree)) { node, name in
      guard case .mapping(let mapping)? = node else { return nil }
      return mapping[Node(name)]
    }
  }

  private func names(below prefix: [String]) -> [String] {
    guard case .mapping(let mapping)? = node(at: prefix) else { return [] }
    return mapping.keys.compactMap(\.string)
  }

  private func leaves(_ node: Node, prefix: String) -> [String] {
    guard case .mapping(let mapping) = node else { return [prefix] }
    return mapping.flatMap { name, value in
      leaves(value, prefix: prefix.isEmpty ? name.string ?? "" : "\(prefix).\(name.string ?? "")")
    }
  }

  private static func replacing(_ node: Node, at prefix: ArraySlice<String>, with value: Node) -> Node {
    guard let name = prefix.first else { return value }
    guard case .mapping(var mapping) = node, let child = mapping[Node(name)] else { return value }
    mapping[Node(name)] = replacing(child, at: prefix.dropFirst(), with: value)
    return .mapping(mapping)
  }

  private func decode() throws -> RunConfig {
    let config: RunConfig
    do {
      config = try YAMLDecoder().decode(RunConfig.self, from: tree)
    } catch {
      throw DalleError(.configuration, "\(path): the configuration cannot be read: \(error)")
    }
    try config.validate { origins[$0] ?? path }
    return config
  }
}
