import CArchive
import Errors
import Files
import Foundation

/// The members of a tar archive in their order, plain or compressed with gzip or zstd. Reads every dialect that libarchive reads:
/// v7, ustar, GNU, pax.
package final class TarReader {
  package struct Member: Equatable {
    /// Its path in the archive.
    package let name: String
    /// Byte of the archive file at which its contents begin; nil in a compressed archive, which has no such place.
    package let offset: Int?
    /// Bytes of its contents.
    package let size: Int
    /// Whether holes were left out when it was packed, so that its contents lie in pieces; they cannot be read.
    package let isSparse: Bool
  }

  /// Bytes that are read from the file at once.
  private static let blockSize = 1 << 18

  private let path: String
  private let descriptor: Int32
  private let archive: OpaquePointer
  private var current: Member?
  private var hasEnded = false

  /// - Throws: `DalleError` for a file that cannot be opened, or holds no tar archive.
  package init(_ path: String) throws {
    self.path = path
    // Without waiting, as opening a pipe would.
    descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw DalleError.file(path, "cannot be opened") }
    archive = archive_read_new()
    _ = try fileSize(path)
    archive_read_support_format_tar(archive)
    archive_read_support_filter_gzip(archive)
    archive_read_support_filter_zstd(archive)
    guard archive_read_open_fd(archive, descriptor, Self.blockSize) == ARCHIVE_OK else { throw damage() }
  }

  deinit {
    archive_read_free(archive)
    close(descriptor)
  }

  /// The next member that is a plain file, or nil at the end.
  ///
  /// - Throws: `DalleError` for an archive that is damaged or cut off; after it there is nothing more.
  package func nextMember() throws -> Member? {
    if hasEnded { return nil }
    hasEnded = true
    var entry: OpaquePointer?
    while true {
      switch archive_read_next_header(archive, &entry) {
      // A warning is of a name that the locale cannot write; it comes as the bytes that it has.
      case ARCHIVE_OK, ARCHIVE_WARN: break
      case ARCHIVE_EOF:
        // libarchive takes the end of the file for the end of the archive; tar writes zeros there.
        let end = archive_filter_bytes(archive, 0)
        if end == archive_read_header_position(archive) {
          throw DalleError(
            .data, "\(path): lacks the zeros that end an archive, at byte \(end); it is cut off: copy it again")
        }
        return nil
      default: throw damage()
      }
      guard archive_entry_filetype(entry) == S_IFREG, archive_entry_hardlink(entry) == nil,
        let name = archive_entry_pathname(entry)
      else { continue }
      let isCompressed = archive_filter_code(archive, 0) != ARCHIVE_FILTER_NONE
      let member = Member(
        name: String(cString: name), offset: isCompressed ? nil : Int(archive_filter_bytes(archive, 0)),
        size: Int(archive_entry_size(entry)), isSparse: archive_entry_sparse_count(entry) > 0)
      guard member.size >= 0 else {
        throw DalleError(.data, "\(path): member `\(member.name)` claims \(member.size) bytes; it is damaged: copy it again")
      }
      (current, hasEnded) = (member, false)
      return member
    }
  }

  /// The contents of the member that came last; they can be read once.
  ///
  /// - Throws: `DalleError` for an archive that is damaged or cut off; after it there is nothing more.
  package func contents() throws -> Data {
    guard let member = current, !member.isSparse else { preconditionFailure("a member whose contents can be read comes first") }
    hasEnded = true
    var contents = Data()
    // Memory grows with what comes: the size may be a lie. Not a byte more is asked for: padding behind it may be cut off.
    while contents.count < member.size {
      var (block, count, start): (UnsafeRawPointer?, Int, Int64) = (nil, 0, 0)
      // A block that does not follow the one before would leave a hole: then the member does not lie at its offset in one piece.
      guard archive_read_data_block(archive, &block, &count, &start) == ARCHIVE_OK, start == contents.count,
        count > 0, count <= member.size - contents.count
      else { throw damage() }
      contents.append(contentsOf: UnsafeRawBufferPointer(start: block, count: count))
    }
    hasEnded = false
    return contents
  }

  /// What is wrong where reading has stopped.
  private func damage() -> DalleError {
    let reason = archive_error_string(archive).map { String(cString: $0) } ?? "its bytes do not match its size"
    let place = current.map { "cannot be read from member `\($0.name)` on" } ?? "cannot be read as a tar archive"
    return DalleError(.data, "\(path): \(place) (\(reason)); it is damaged or cut off: copy it again")
  }
}
