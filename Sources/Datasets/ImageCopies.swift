import Files
import Foundation

/// Copies of a compressed archive's images, one after the other in a file of the dataset. A compressed archive can only be read
/// from its start, so its images are copied while it is validated; those of a plain archive are read from the archive.
final class ImageCopies {
  private let folder: DatasetFolder
  private var file: FileWriter?
  /// The archive whose images are copied. Its path, size and time name the copies' file, so that an update that finds the archive
  /// unchanged finds them, too.
  var origin: EntryOrigin?

  init(_ folder: DatasetFolder) { self.folder = folder }

  /// Relative to the dataset's folder.
  private var path: String { "images/" + EntryOrigin.shortHash(["\(origin!.key)", "\(origin!.stamp)"]) }

  /// Writes an image; its location is relative to the dataset's folder.
  func add(_ bytes: Data) throws -> ImageLocation {
    if file == nil { try makeFolder(folder.copiedImages) }
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
    return .copies(path: path, byteCount: file.count)
  }
}
