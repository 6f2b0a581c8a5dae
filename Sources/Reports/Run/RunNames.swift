import Foundation

/// What runs are called on a page.
enum RunNames {
  /// The last part of each folder's path, and as much before it as tells it from the others.
  static func unique(_ folders: [String]) -> [String] {
    let parts = folders.map { URL(fileURLWithPath: $0).standardizedFileURL.pathComponents.filter { $0 != "/" } }
    func name(_ parts: [String], _ count: Int) -> String { parts.isEmpty ? "/" : parts.suffix(count).joined(separator: "/") }
    return parts.indices.map { index in
      let others = parts.indices.filter { $0 != index }
      let longest = parts[index].count
      let count = (1...max(1, longest)).first { count in !others.contains { name(parts[$0], count) == name(parts[index], count) } }
      return name(parts[index], count ?? longest)
    }
  }
}
