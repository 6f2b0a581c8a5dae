import Foundation

/// The link because of which a path leads to nothing, as a sentence's main part: the path itself, or a folder in it. nil if it exists, or is
/// missing for another reason.
package func brokenLink(in path: String) -> String? {
  var part = ""
  for component in (path as NSString).pathComponents {
    part = part.isEmpty ? component : (part as NSString).appendingPathComponent(component)
    var status = stat()
    if stat(part, &status) == 0 { continue }
    let code = errno
    guard code == ENOENT || code == ELOOP, let target = linkTarget(part) else { return nil }
    return code == ELOOP
      ? "\(part) is a link that leads back to itself" : "\(part) is a link to \(lastTarget(target)), which does not exist"
  }
  return nil
}

/// Where a link leads; nil for what is none.
private func linkTarget(_ path: String) -> String? {
  guard let target = try? FileManager.default.destinationOfSymbolicLink(atPath: path) else { return nil }
  return target.hasPrefix("/") ? target : ((path as NSString).deletingLastPathComponent as NSString).appendingPathComponent(target)
}

/// The end of a chain of links; Linux follows at most 40.
private func lastTarget(_ path: String) -> String {
  var (path, steps) = (path, 0)
  while steps < 40, let next = linkTarget(path) { (path, steps) = (next, steps + 1) }
  return path
}
