import Errors
import Files
import Foundation

/// Names of the columns, or JSON keys, of manifests and of JSON files beside images.
package struct Columns: Codable, Equatable, Sendable {
  package var image = "image"
  /// Captions are taken from each of these columns that exists.
  package var captions = ["caption"]

  package init(image: String = "image", captions: [String] = ["caption"]) { (self.image, self.captions) = (image, captions) }
}

/// A collection of captioned images from which a dataset is collected, as the user names it.
package struct DatasetSource: Codable, Equatable, Sendable {
  /// A folder, a manifest (.jsonl, .csv, .tsv), a tar archive, or a pattern with `*`, `?`, `{00000..00099}` or `{a,b}` of those.
  package var path: String
  /// How often an epoch has each sample. A fraction adds the same share of the samples to every epoch.
  package var `repeat`: Double

  package init(_ path: String, repeat factor: Double = 1) { (self.path, self.repeat) = (path, factor) }

  /// The files and folders that the path names: absolute, in order.
  ///
  /// - Throws: `DalleError` if one does not exist, or a pattern gives too many.
  func expandedPaths() throws -> [String] {
    try Self.expandBraces(path).flatMap { pattern in
      let absolute = URL(fileURLWithPath: pattern).standardizedFileURL.path
      if FileManager.default.fileExists(atPath: absolute) { return [absolute] }
      let matches = Self.glob(absolute)
      guard !matches.isEmpty else {
        throw DalleError(
          .noInput, "\(pattern): there is no such file or folder\(pattern == path ? "" : " (from \(path))"); check the path")
      }
      return matches
    }
  }

  /// Paths that a pattern of braces may give; more are a mistake.
  private static let limit = 1_000_000

  /// `a{08..10}b` is `a08b a09b a10b`, `{x,y}` is `x y`; several braces give every combination.
  static func expandBraces(_ pattern: String) throws -> [String] {
    guard let open = pattern.firstIndex(of: "{"), let close = pattern[open...].firstIndex(of: "}") else { return [pattern] }
    let inside = String(pattern[pattern.index(after: open)..<close])
    let ends = inside.components(separatedBy: "..")
    let choices: [String]
    if ends.count == 2, let first = Int(ends[0]), let last = Int(ends[1]), first >= 0, last >= 0 {
      guard first <= last, last - first < limit else {
        throw DalleError(
          .configuration, "\(pattern): the range {\(inside)} must go up, with at most \(limit) numbers; correct the range")
      }
      let width = ends[0].count
      choices = (first...last).map { zeroPadded($0, digits: width) }
    } else if inside.contains(",") {
      choices = inside.components(separatedBy: ",")
    } else {
      return [pattern]
    }
    let rest = try expandBraces(String(pattern[pattern.index(after: close)...]))
    guard choices.count * rest.count <= limit else {
      throw DalleError(
        .configuration, "\(pattern): gives \(choices.count * rest.count) paths (at most \(limit)); use several shorter patterns")
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
