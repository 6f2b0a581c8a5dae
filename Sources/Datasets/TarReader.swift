import CArchive
import Errors
import Files
import Foundation

/// Reads the members of a tar archive in order, plain or compressed with gzip or zstd, in every dialect that libarchive reads:
/// v7, ustar, GNU, pax.
package final class TarReader {
  package struct Member: Equatable {
    /// Its path in the archive.
    package let name: String
    /// Byte of the archive file at which its contents begin; nil in a compressed archive.
    package let offset: Int?
    /// Bytes of its contents.
    package let size: Int
    /// Whether it was packed without its holes; its contents are then in pieces and cannot be read.
    package let isSparse: Bool
  }

  /// Bytes per read.
  private static let blockSize = 1 << 18

  private let path: String
  private let descriptor: Int32
  private let archive: OpaquePointer
  private var current: Member?
  private var hasEnded = false

  /// - Throws: `DalleError` for a file that cannot be opened, or is not a tar archive.
  package init(_ path: String) throws {
    self.path = path
    // Non-blocking, because opening a pipe would wait for a writer.
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

  /// The next member that is a plain file; nil at the end.
  ///
  /// - Throws: `DalleError` for an archive that is damaged or cut off; no member follows.
  package func nextMember() throws -> Member? {
    if hasEnded { return nil }
    hasEnded = true
    var entry: OpaquePointer?
    while true {
      switch archive_read_next_header(archive, &entry) {
      // A warning means a name that the locale cannot represent; the name is its raw bytes.
      case ARCHIVE_OK, ARCHIVE_WARN: break
      case ARCHIVE_EOF:
        // libarchive accepts the end of the file as the end of the archive, but an archive ends with zeros.
        let end = archive_filter_bytes(archive, 0)
        if end == archive_read_header_position(archive) {
          throw DalleError(
            .data, "\(path): lacks the zeros that end an archive, at byte \(end), it is cut off; copy it again")
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
        throw DalleError(
          .data, "\(path): member `\(member.name)` claims \(member.size) bytes, the archive is damaged; copy it again")
      }
      (current, hasEnded) = (member, false)
      return member
    }
  }

  /// The contents of the last member; they can be read once.
  ///
  /// - Throws: `DalleError` for an archive that is damaged or cut off; no member follows.
  package func contents() throws -> Data {
    guard let member = current, !member.isSparse else { preconditionFailure("there is no member whose contents can be read") }
    hasEnded = true
    var contents = Data()
    // Memory grows with the bytes read, because the size may be wrong. Nothing beyond the size is read: the padding that follows
    // may be cut off.
    while contents.count < member.size {
      var (block, count, start): (UnsafeRawPointer?, Int, Int64) = (nil, 0, 0)
      // A block that does not follow the previous one leaves a hole: the member is not one piece at its offset.
      guard archive_read_data_block(archive, &block, &count, &start) == ARCHIVE_OK, start == contents.count,
        count > 0, count <= member.size - contents.count
      else { throw damage() }
      contents.append(contentsOf: UnsafeRawBufferPointer(start: block, count: count))
    }
    hasEnded = false
    return contents
  }

  /// Why reading stopped.
  private func damage() -> DalleError {
    let reason = archive_error_string(archive).map { String(cString: $0) } ?? "its bytes do not match its size"
    let problem = current.map { "cannot be read at or after member `\($0.name)`" } ?? "cannot be read as a tar archive"
    return DalleError(.data, "\(path): \(problem) (\(reason)), it is damaged or cut off; copy it again")
  }
}
