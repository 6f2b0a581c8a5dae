import Files
import Foundation

/// Copies of a compressed archive's images, one after the other in a file of the dataset. A compressed archive can only be read
/// from its start, so its images are copied while it is validated; those of a plain archive are read from the archive.
final class ImageCopies {
  private let folder: DatasetFolder
  private let workItem: Int
  private var file: FileWriter?

  init(_ folder: DatasetFolder, workItem: Int) { (self.folder, self.workItem) = (folder, workItem) }

  /// Writes an image; its location is relative to the dataset's folder.
  func add(_ bytes: Data) throws -> ImageLocation {
    if file == nil { try makeFolder(folder.copiedImages) }
    let path = folder.copiedImages(workItem)
    let file = try file ?? FileWriter("\(folder.path)/\(path)")
    self.file = file
    let offset = file.count
    try file.write(bytes)
    return ImageLocation(path, offset: offset, size: bytes.count)
  }

  /// Forces the file to disk.
  ///
  /// - Returns: its path, relative to the dataset's folder, and its bytes; nil if no image was copied.
  func finish() throws -> ValidatedEntry? {
    guard let file else { return nil }
    try file.finish()
    return .copies(path: folder.copiedImages(workItem), byteCount: file.count)
  }
}
