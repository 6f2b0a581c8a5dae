import Errors
import Files
import Foundation

/// A collection of captioned images from which a dataset is collected, as the user names it.
package struct DatasetSource: Codable, Equatable, Sendable {
  /// A folder, a manifest (.jsonl, .csv, .tsv, .json), a tar archive, or a pattern with `*`, `?`, `{00000..00099}` or `{a,b}` of
  /// those.
  package var path: String
  /// How often an epoch has each sample. A fraction adds the same share of the samples to every epoch.
  package var `repeat`: Double
  /// Whether folders that are named as kohya's trainers want it, `10_NAME`, repeat their samples: where no `repeat` is given.
  package var folderRepeats: Bool
  /// Columns of its own; nil takes those of the dataset's options.
  package var columns: Columns?

  package init(_ path: String, repeat factor: Double? = nil, columns: Columns? = nil) {
    (self.path, self.repeat, folderRepeats, self.columns) = (path, factor ?? 1, factor == nil, columns)
  }

  /// A source as the command line names it: a path, and settings of its own behind it, `PATH,image=NAME,caption=NAME,repeat=NUMBER`.
  ///
  /// - Throws: `DalleError` for a `repeat` that is no number.
  package init(parsing text: String) throws {
    var parts = text.split(separator: ",", omittingEmptySubsequences: false)[...]
    var (columns, factor): (Columns?, Double?) = (nil, nil)
    func setting() -> (key: String, value: String)? {
      guard parts.count > 1, let part = parts.last, let sign = part.firstIndex(of: "=") else { return nil }
      let key = String(part[..<sign])
      return ["image", "caption", "repeat"].contains(key) ? (key, String(part[part.index(after: sign)...])) : nil
    }
    while let (key, value) = setting(), !FileManager.default.fileExists(atPath: parts.joined(separator: ",")) {
      parts.removeLast()
      switch key {
      case "image": columns = Columns(image: value, captions: columns?.captions ?? [])
      case "caption": columns = Columns(image: columns?.image, captions: [value] + (columns?.captions ?? []))
      default:
        guard let number = Double(value) else {
          throw DalleError(.usage, "\(text): `repeat` is `\(value)`; write a number, e.g. repeat=4")
        }
        factor = number
      }
    }
    self.init(parts.joined(separator: ","), repeat: factor, columns: columns)
  }

  /// An absolute path or pattern without `~/`, `.`, `..` and a slash at its end. A dataset records these: a relative path names
  /// another folder elsewhere.
  static func absolute(_ path: String) -> String {
    let isOfHome = path.hasPrefix("~/") && !FileManager.default.fileExists(atPath: path)
    let path = isOfHome ? (path as NSString).expandingTildeInPath : path
    return URL(fileURLWithPath: path).standardizedFileURL.path
  }

  /// The files and folders that the path names: absolute, in order.
  ///
  /// - Throws: `DalleError` if one does not exist, or a pattern gives too many.
  func expandedPaths() throws -> [String] {
    try Self.expandBraces(path).flatMap { pattern in
      let absolute = Self.absolute(pattern)
      if FileManager.default.fileExists(atPath: absolute) { return [absolute] }
      // A link that leads to nothing matches itself.
      let link = brokenLink(in: absolute)
      let matches = link == nil ? Self.glob(absolute) : []
      guard !matches.isEmpty else {
        throw DalleError(
          .noInput,
          "\(pattern): there is no such file or folder\(pattern == path ? "" : " (from \(path))"); \(link ?? "check the path")")
      }
      return matches
    }
  }

  /// Paths that a pattern of braces may give; more are a mistake.
  private static let limit = 1_000_000

  /// `a{08..10}b` is `a08b a09b a10b`, `{x,y}` is `x y`; several braces give every combination.
  package static func expandBraces(_ pattern: String) throws -> [String] { try expandBraces(pattern, of: pattern) }

  /// - Parameter whole: the pattern that `pattern` is the end of.
  private static func expandBraces(_ pattern: String, of whole: String) throws -> [String] {
    guard let open = pattern.firstIndex(of: "{"), let close = pattern[open...].firstIndex(of: "}") else { return [pattern] }
    let inside = String(pattern[pattern.index(after: open)..<close])
    let ends = inside.components(separatedBy: "..")
    let choices: [String]
    if ends.count == 2, let first = Int(ends[0]), let last = Int(ends[1]), first >= 0, last >= 0 {
      guard first <= last, last - first < limit else {
        throw DalleError(
          .configuration, "\(whole): the range {\(inside)} must go up, with at most \(limit) numbers; correct the range")
      }
      let width = ends[0].count
      choices = (first...last).map { zeroPadded($0, digits: width) }
    } else if inside.contains(",") {
      choices = inside.components(separatedBy: ",")
    } else {
      return [pattern]
    }
    let rest = try expandBraces(String(pattern[pattern.index(after: close)...]), of: whole)
    guard choices.count * rest.count <= limit else {
      throw DalleError(
        .configuration, "\(whole): gives \(choices.count * rest.count) paths (at most \(limit)); use several shorter patterns")
    }
    return choices.flatMap { choice in rest.map { pattern[..<open] + choice + $0 } }
  }

  private static func glob(_ pattern: String) -> [String] {
    var result = glob_t()
    defer { globfree(&result) }
    guard Foundation.glob(pattern, 0, nil, &result) == 0 else { return [] }
    return (0..<Int(result.gl_pathc)).map { String(cString: result.gl_pathv[$0]!) }
  }
}
