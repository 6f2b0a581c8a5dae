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

  /// A member that is another name of a file.
  struct Link {
    let name: String
    /// As it is written: the name of a member, or for a symbolic link a path from its folder.
    let target: String
    let isSymbolic: Bool
  }

  /// Bytes per read.
  private static let blockSize = 1 << 18

  private let path: String
  private let descriptor: Int32
  private let archive: OpaquePointer
  private var current: Member?
  private var hasEnded = false
  /// Members that are links to others, among those that `nextMember` has passed.
  private(set) var links: [Link] = []
  /// Members that are pipes or devices, likewise.
  private(set) var specialNames: [String] = []

  /// - Throws: `DalleError` for a file that cannot be opened, or is not a tar archive.
  package init(_ path: String) throws {
    self.path = path
    // Non-blocking, because opening a pipe would wait for a writer.
    descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw DalleError.file(path, "cannot be opened") }
    archive = archive_read_new()
    _ = try fileSize(path)
    archive_read_support_format_tar(archive)
    // Archives that were appended to each other: the zeros between them end nothing.
    archive_read_set_option(archive, "tar", "read_concatenated_archives", "1")
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
      guard let name = archive_entry_pathname(entry) else { continue }
      let type = archive_entry_filetype(entry)
      if let target = archive_entry_hardlink(entry) ?? archive_entry_symlink(entry) {
        links.append(
          Link(name: String(cString: name), target: String(cString: target), isSymbolic: archive_entry_hardlink(entry) == nil))
        continue
      }
      guard type == S_IFREG else {
        if type != S_IFDIR { specialNames.append(String(cString: name)) }
        continue
      }
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

  /// What a file is whose first bytes are those of another format, and what to do; nil for what may be a damaged archive.
  private static func otherFormat(_ start: [UInt8]) -> String? {
    func has(_ bytes: [UInt8]) -> Bool { start.starts(with: bytes) }
    func has(_ text: String) -> Bool { has(Array(text.utf8)) }
    let (unpack, fetch) = ("unpack it, and name what was in it", "download the archive again")
    return switch true {
    case start.isEmpty: "is an empty file; copy the archive again, or remove the file"
    case has("PK\u{3}\u{4}"): "is a ZIP archive, not a tar archive; \(unpack)"
    case has("0707") || has([0xC7, 0x71]) || has([0x71, 0xC7]): "is a cpio archive, not a tar archive; \(unpack)"
    case has("Rar!"): "is a RAR archive, not a tar archive; \(unpack)"
    case has([0x37, 0x7A, 0xBC, 0xAF]): "is a 7-Zip archive, not a tar archive; \(unpack)"
    case has("BZh"): "is compressed with bzip2, which is not read; decompress it (bunzip2)"
    case has([0xFD, 0x37, 0x7A, 0x58, 0x5A]): "is compressed with xz, which is not read; decompress it (unxz)"
    case has("version https://git-lfs"): "is a pointer of Git LFS, not the archive; fetch that (git lfs pull)"
    case String(decoding: start, as: UTF8.self).drop(while: \.isWhitespace).hasPrefix("<"):
      "is an HTML or XML page, not a tar archive; \(fetch)"
    default: nil
    }
  }

  /// Why reading stopped.
  private func damage() -> DalleError {
    var start = [UInt8](repeating: 0, count: 64)
    let count = pread(descriptor, &start, start.count, 0)
    if current == nil, count >= 0, let problem = Self.otherFormat(Array(start.prefix(count))) {
      return DalleError(.data, "\(path): \(problem)")
    }
    let reason = archive_error_string(archive).map { String(cString: $0) } ?? "its bytes do not match its size"
    let problem = current.map { "cannot be read at or after member `\($0.name)`" } ?? "cannot be read as a tar archive"
    return DalleError(.data, "\(path): \(problem) (\(reason)), it is damaged or cut off; copy it again")
  }
}
