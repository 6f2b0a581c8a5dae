import Errors
import Files
import Foundation

/// Names of the columns, or JSON keys, of manifests and of JSON files beside pictures.
package struct Columns: Codable, Equatable, Sendable {
  package var image = "image"
  /// Every one of them that is there gives captions.
  package var captions = ["caption"]

  package init(image: String = "image", captions: [String] = ["caption"]) { (self.image, self.captions) = (image, captions) }
}

/// A collection of captioned pictures as a user names it.
package struct Source: Codable, Equatable, Sendable {
  /// A folder, a manifest (.jsonl, .csv, .tsv), a tar archive, or a pattern with `*`, `?`, `{00000..00099}` or `{a,b}` of those.
  package var path: String
  /// How often each sample is seen in an epoch; with a fraction, the samples that are seen once more are fixed ones.
  package var weight: Double

  package init(_ path: String, weight: Double = 1) { (self.path, self.weight) = (path, weight) }

  /// The files and folders that the path means, absolute, in order. One that does not exist is an error.
  func expanded() throws -> [String] {
    try Self.braces(path).flatMap { pattern in
      let absolute = URL(fileURLWithPath: pattern).standardizedFileURL.path
      if FileManager.default.fileExists(atPath: absolute) { return [absolute] }
      let found = Self.glob(absolute)
      guard !found.isEmpty else {
        throw DalleError(
          .noInput, "\(pattern): there is no such file or folder\(pattern == path ? "" : " (from \(path))"); check the path")
      }
      return found
    }
  }

  /// Paths that a pattern of braces may stand for; more are a mistake.
  private static let limit = 1_000_000

  /// `a{08..10}b` is `a08b a09b a10b`, `{x,y}` is `x y`; several braces give every combination.
  static func braces(_ pattern: String) throws -> [String] {
    guard let open = pattern.firstIndex(of: "{"), let close = pattern[open...].firstIndex(of: "}") else { return [pattern] }
    let inside = String(pattern[pattern.index(after: open)..<close])
    let ends = inside.components(separatedBy: "..")
    let choices: [String]
    if ends.count == 2, let first = Int(ends[0]), let last = Int(ends[1]), first >= 0, last >= 0 {
      guard first <= last, last - first < limit else {
        throw DalleError(.configuration, "\(pattern): the range {\(inside)} must go up, with at most \(limit) numbers; correct it")
      }
      let width = ends[0].count
      choices = (first...last).map { zeroPadded($0, digits: width) }
    } else if inside.contains(",") {
      choices = inside.components(separatedBy: ",")
    } else {
      return [pattern]
    }
    let rest = try braces(String(pattern[pattern.index(after: close)...]))
    guard choices.count * rest.count <= limit else {
      throw DalleError(.configuration, "\(pattern): stands for more than \(limit) paths; name several shorter patterns")
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
