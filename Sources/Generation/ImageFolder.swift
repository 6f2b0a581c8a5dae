import Errors
import Files
import Foundation
import Images

/// A folder for generated images in which no image is ever overwritten, whoever writes to it at the same time.
///
/// `03-02.png` is the second image of the third prompt. Prompts are numbered on from those in the folder; each claims its number by
/// creating its first image, which the file system allows once.
package struct ImageFolder {
  package let path: String

  /// Makes the folder unless it exists, and checks that files can be made in it: generating takes long, and would be for nothing.
  package init(_ path: String) throws {
    self.path = path
    try makeFolder(path)
    let probe = "\(path)/.probe-\(UUID().uuidString)"
    let descriptor = open(probe, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw DalleError.file(path, "files cannot be created in this folder") }
    close(descriptor)
    unlink(probe)
  }

  /// Writes the images of a prompt under the next free number.
  ///
  /// - Returns: the paths, in the images' order.
  package func add(_ images: [Image]) throws -> [String] {
    precondition(!images.isEmpty, "a prompt without images")
    var number = try lastNumber() + 1
    while try !claim(imagePath(number, 1)) { number += 1 }
    let paths = images.indices.map { imagePath(number, $0 + 1) }
    for (image, path) in zip(images, paths) { try write([path]) { try image.write(to: path) } }
    return paths
  }

  /// Writes a grid as `grid.png`, and scores of its images, if there are any, as `scores.json`, and a page with them as `scores.html`; as
  /// `grid-02.png` and so on where one of these files exists.
  ///
  /// - Returns: the paths, the grid's first.
  package func add(grid: Image, scores: Data? = nil, page: Data? = nil) throws -> [String] {
    let others = [("json", scores), ("html", page)].compactMap { name, data in data.map { (name, $0) } }
    var number = 1
    func paths() -> [String] {
      let suffix = number == 1 ? "" : "-\(zeroPadded(number, digits: 2))"
      return ["\(path)/grid\(suffix).png"] + others.map { "\(path)/scores\(suffix).\($0.0)" }
    }
    while try !claim(paths()) { number += 1 }
    let claimed = paths()
    try write(claimed) {
      try grid.write(to: claimed[0])
      for (path, other) in zip(claimed.dropFirst(), others) { try replaceFile(path, with: other.1) }
    }
    return claimed
  }

  private func imagePath(_ prompt: Int, _ image: Int) -> String {
    "\(path)/\(zeroPadded(prompt, digits: 2))-\(zeroPadded(image, digits: 2)).png"
  }

  /// The largest number of a prompt that has images here; 0 if none has.
  private func lastNumber() throws -> Int {
    let names: [String]
    do { names = try FileManager.default.contentsOfDirectory(atPath: path) } catch {
      throw DalleError.file(path, "cannot be listed", error)
    }
    return names.filter { $0.hasSuffix(".png") }.compactMap { Int32($0.prefix { $0 != "-" }) }.max().map(Int.init) ?? 0
  }

  /// Creates an empty file; false if there is one of this name.
  private func claim(_ path: String) throws -> Bool {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
    if descriptor < 0 && errno == EEXIST { return false }
    guard descriptor >= 0 else { throw DalleError.file(path, "cannot be created") }
    close(descriptor)
    return true
  }

  /// Creates empty files, all or none; false if there is one of these names.
  private func claim(_ paths: [String]) throws -> Bool {
    for (index, path) in paths.enumerated() {
      var isClaimed = false
      defer { if !isClaimed { remove(paths[..<index]) } }
      isClaimed = try claim(path)
      if !isClaimed { return false }
    }
    return true
  }

  /// Writes over claimed names; where that fails, no empty file stays behind.
  private func write(_ paths: [String], _ body: () throws -> Void) throws {
    do { try body() } catch {
      remove(paths[...])
      throw error
    }
  }

  private func remove(_ paths: ArraySlice<String>) { for path in paths { unlink(path) } }
}
