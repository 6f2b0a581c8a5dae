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

  /// Makes the folder unless it exists.
  package init(_ path: String) throws {
    self.path = path
    try makeFolder(path)
  }

  /// Writes the images of a prompt under the next free number.
  ///
  /// - Returns: the paths, in the images' order.
  package func add(_ images: [Image]) throws -> [String] {
    precondition(!images.isEmpty, "a prompt without images")
    var number = try lastNumber() + 1
    while try !claim(imagePath(number, 1)) { number += 1 }
    let paths = images.indices.map { imagePath(number, $0 + 1) }
    for (image, path) in zip(images, paths) { try write(image, to: path) }
    return paths
  }

  /// Writes a sheet as `grid.png`, or as `grid-02.png` and so on where there is one.
  ///
  /// - Returns: the path.
  package func add(sheet: Image) throws -> String {
    var (number, path) = (1, "\(path)/grid.png")
    while try !claim(path) {
      number += 1
      path = "\(self.path)/grid-\(zeroPadded(number, digits: 2)).png"
    }
    try write(sheet, to: path)
    return path
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

  /// Writes over a claimed name; where that fails, no empty image stays behind.
  private func write(_ image: Image, to path: String) throws {
    do { try image.write(to: path) } catch {
      unlink(path)
      throw error
    }
  }
}
