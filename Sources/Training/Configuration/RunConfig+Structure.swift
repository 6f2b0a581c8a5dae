import Yams

extension RunConfig {
  /// Every key with its value, as the YAML file would have it.
  func flattened() throws -> [(key: String, value: String)] {
    func leaves(_ node: Node, _ key: String) -> [(String, String)] {
      guard case .mapping(let mapping) = node else { return [(key, node.string ?? "")] }
      return mapping.flatMap { name, value in leaves(value, key.isEmpty ? name.string! : "\(key).\(name.string!)") }
    }
    return try Yams.compose(yaml: YAMLEncoder().encode(self)).map { leaves($0, "") } ?? []
  }

  /// The first key of those that start with one of `prefixes` whose value differs from what a run began with.
  func firstChange(
    from before: RunConfig, keys prefixes: [String]
  ) throws -> (key: String, before: String, now: String)? {
    let old = Dictionary(uniqueKeysWithValues: try before.flattened())
    for (key, now) in try flattened() where prefixes.contains(where: { key == $0 || key.hasPrefix($0 + ".") }) {
      if let was = old[key], was != now { return (key, was, now) }
    }
    return nil
  }

  /// The configuration as a YAML file with every key.
  package func yaml() throws -> String { try YAMLEncoder().encode(self) }
}
