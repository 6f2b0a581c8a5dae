import Files
import Foundation
import Yams

/// Reads a run's configuration: defaults, then a YAML file, then `--set key.path=value`, each key checked against the
/// keys that exist.
public struct ConfigFile {
  private let path: String
  private var tree: Node
  private var origins: [String: String] = [:]

  /// - Parameters:
  ///   - path: a YAML file.
  ///   - overrides: `key.path=value` strings, later ones win.
  /// - Throws: `ConfigError` that names the key, its place and the nearest known key.
  public static func load(_ path: String, overrides: [String] = []) throws -> RunConfig {
    guard let text = String(validating: try readFile(path), as: UTF8.self) else {
      throw ConfigError("\(path): the configuration file is not UTF-8 text")
    }
    return try parse(text, name: path, overrides: overrides)
  }

  /// The same for YAML that is already in memory; `name` stands for the file in messages.
  public static func parse(_ text: String, name: String, overrides: [String] = []) throws -> RunConfig {
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
      throw ConfigError("\(name): not valid YAML: \(error)")
    }
  }

  /// Lays `given` over the tree of known keys.
  private mutating func merge(_ given: Node, prefix: [String], origin: String?) throws {
    let key = prefix.joined(separator: ".")
    let place = origin ?? "\(path):\(given.mark?.line ?? 1)"
    guard let known = node(at: prefix) else {
      throw unknown(prefix, place: place)
    }
    switch (known, given) {
    case (.mapping, .mapping(let mapping)):
      for (name, value) in mapping {
        guard let name = name.string else { throw ConfigError("\(place): a key below `\(key)` is not a word") }
        let line = origin ?? "\(path):\(value.mark?.line ?? given.mark?.line ?? 1)"
        if node(at: prefix + [name]) == nil { throw unknown(prefix + [name], place: line) }
        try merge(value, prefix: prefix + [name], origin: origin)
      }
    case (.mapping(let mapping), _):
      // An empty section (`dvae:` with nothing below) changes nothing.
      if case .scalar(let scalar) = given, scalar.string.isEmpty || scalar.string == "null" { return }
      let names = mapping.keys.compactMap(\.string).sorted().joined(separator: ", ")
      throw ConfigError("\(place): `\(key)` is a section with the keys \(names), not a value")
    case (_, .scalar):
      tree = Self.replacing(tree, at: prefix[...], with: given)
      origins[key] = place
    default:
      throw ConfigError("\(place): `\(key)` takes one value, not a list or a section")
    }
  }

  private mutating func apply(_ override: String) throws {
    guard let sign = override.firstIndex(of: "="), sign != override.startIndex else {
      throw ConfigError("--set \(override): expected key.path=value")
    }
    let prefix = override[..<sign].split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    let value = String(override[override.index(after: sign)...])
    try merge(Node(value), prefix: prefix, origin: "--set \(override)")
  }

  private func unknown(_ prefix: [String], place: String) -> ConfigError {
    let key = prefix.joined(separator: ".")
    // Nearest among the neighbours first, then among the same word anywhere.
    let siblings = names(below: Array(prefix.dropLast()))
    var text = "\(place): unknown key `\(key)`"
    if let near = nearest(to: prefix[prefix.count - 1], among: siblings) {
      text += "; did you mean `\((prefix.dropLast() + [near]).joined(separator: "."))`?"
    } else if let near = nearest(to: key, among: leaves(tree, prefix: "")) {
      text += "; did you mean `\(near)`?"
    } else if !siblings.isEmpty {
      text += "; known here: \(siblings.sorted().joined(separator: ", "))"
    }
    return ConfigError(text)
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
    } catch let error as DecodingError {
      throw ConfigError(describe(error))
    }
    if let problem = config.firstProblem() {
      throw ConfigError("\(place(of: problem.key))`\(problem.key)` \(problem.text)")
    }
    return config
  }

  private func place(of key: String) -> String { "\(origins[key] ?? path): " }

  private func describe(_ error: DecodingError) -> String {
    let context: DecodingError.Context
    switch error {
    case .typeMismatch(_, let c), .valueNotFound(_, let c), .keyNotFound(_, let c), .dataCorrupted(let c): context = c
    @unknown default: return "\(path): \(error)"
    }
    let prefix = context.codingPath.map(\.stringValue)
    let key = prefix.joined(separator: ".")
    let value = node(at: prefix)?.string ?? ""
    let kinds: [String: [String]] = [
      "data.source": DataConfig.Source.allCases.map(\.rawValue),
      "dvae.training.rate.course": RateCourses.names, "transformer.training.rate.course": RateCourses.names,
    ]
    if let allowed = kinds[key] {
      let near = nearest(to: value, among: allowed).map { "; did you mean `\($0)`?" } ?? ""
      return "\(place(of: key))`\(key)` is `\(value)`; it takes one of \(allowed.joined(separator: ", "))\(near)"
    }
    return "\(place(of: key))`\(key)` is `\(value)`, which is not \(expectation(at: prefix))"
  }

  /// What kind of value a key takes, told from its default.
  private func expectation(at prefix: [String]) -> String {
    guard let text = try? YAMLEncoder().encode(RunConfig()), let defaults = try? Yams.compose(yaml: text) else {
      return "a valid value"
    }
    let value = ConfigFile(path: path, tree: defaults).node(at: prefix)
    if value?.bool != nil { return "true or false" }
    if value?.int != nil { return "a whole number" }
    if value?.float != nil { return "a number" }
    return "a valid value"
  }
}
