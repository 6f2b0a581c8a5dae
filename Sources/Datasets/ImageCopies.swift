import Files
import Foundation

/// Images of a compressed archive, one behind the other in a file of the dataset. Single bytes of a compressed archive cannot be
/// read without all before them, so its images are copied while it is scanned; those of a plain archive stay where they are.
final class ImageCopies {
  private let folder: DatasetFolder
  private let unit: Int
  private var file: FileWriter?

  init(_ folder: DatasetFolder, unit: Int) { (self.folder, self.unit) = (folder, unit) }

  /// Writes an image; its location is relative to the dataset's folder.
  func add(_ bytes: Data) throws -> ImageLocation {
    if file == nil { try makeFolder(folder.copies) }
    let file = try file ?? FileWriter("\(folder.path)/\(folder.copy(unit))")
    self.file = file
    let offset = file.count
    try file.write(bytes)
    return ImageLocation(folder.copy(unit), offset: offset, size: bytes.count)
  }

  /// Forces the file to disk.
  ///
  /// - Returns: its path, relative to the dataset's folder, and its bytes; nil if no image was copied.
  func finish() throws -> Examined? {
    guard let file else { return nil }
    try file.finish()
    return .copies(path: folder.copy(unit), byteCount: file.count)
  }
}
