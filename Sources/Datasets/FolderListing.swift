import Errors
import Files
import Foundation

/// What a folder holds, without a call per file where the file system gives the kinds.
struct FolderListing {
  enum Kind: Equatable {
    case file
    case folder(FolderIdentity)
    /// A pipe, a socket or a device.
    case special
    case brokenLink
  }

  struct Entry {
    let name: String
    let kind: Kind
    let isLink: Bool
  }

  /// In the order of their names' bytes, without hidden ones.
  private(set) var entries: [Entry] = []
  private(set) var hidden: [String] = []
  /// Names that are not UTF-8, with replacement characters.
  private(set) var badNames: [String] = []

  /// - Throws: `DalleError` for a folder that cannot be read.
  init(_ path: String) throws {
    guard let folder = opendir(path) else { throw DalleError.file(path, "the folder cannot be read") }
    defer { closedir(folder) }
    while true {
      errno = 0
      guard let entry = readdir(folder) else {
        if errno != 0 { throw DalleError.file(path, "the folder cannot be read") }
        break
      }
      let bytes = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
      guard let name = String(validating: bytes, as: UTF8.self) else {
        badNames.append(String(decoding: bytes, as: UTF8.self))
        continue
      }
      if name == "." || name == ".." { continue }
      if name.hasPrefix(".") {
        hidden.append(name)
        continue
      }
      switch Int(entry.pointee.d_type) {
      case Int(DT_REG): entries.append(Entry(name: name, kind: .file, isLink: false))
      case Int(DT_FIFO), Int(DT_SOCK), Int(DT_CHR), Int(DT_BLK): entries.append(Entry(name: name, kind: .special, isLink: false))
      case let type:
        entries.append(Entry(name: name, kind: Self.kind("\(path)/\(name)"), isLink: type == Int(DT_LNK)))
      }
    }
    entries.sort { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    hidden.sort()
    badNames.sort()
  }

  /// What a path leads to.
  static func kind(_ path: String) -> Kind {
    var status = stat()
    guard stat(path, &status) == 0 else { return errno == ENOENT || errno == ELOOP ? .brokenLink : .file }
    return switch status.st_mode & S_IFMT {
    case S_IFREG: .file
    case S_IFDIR: .folder(FolderIdentity(status))
    default: .special
    }
  }
}

/// A folder, by whatever path.
struct FolderIdentity: Hashable {
  private let device: UInt64
  private let file: UInt64

  init(_ status: stat) { (device, file) = (UInt64(status.st_dev), UInt64(status.st_ino)) }

  /// nil for what is no folder.
  init?(_ path: String) {
    guard case .folder(let identity) = FolderListing.kind(path) else { return nil }
    self = identity
  }
}
