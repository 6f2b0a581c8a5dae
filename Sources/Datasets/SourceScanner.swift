import Errors
import Files
import Foundation

/// Lists the images and archives of a source without opening them.
struct SourceScanner {
  private static let imageExtensions: Set<String> = ["jpg", "jpeg", "png", "webp", "gif"]
  private let columns: Columns
  private let record: (ScanEntry) throws -> Void

  /// - Parameter record: gets every entry, in an order that depends on the sources alone.
  init(columns: Columns, record: @escaping (ScanEntry) throws -> Void) { (self.columns, self.record) = (columns, record) }

  /// - Throws: `DalleError` for a path that does not exist, cannot be read, or has an unsupported format.
  func scan(_ source: DatasetSource, number: Int) throws {
    for path in try source.expandedPaths() {
      var isFolder: ObjCBool = false
      _ = FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
      let fileExtension = (path as NSString).pathExtension.lowercased()
      if isFolder.boolValue {
        let names = try names(in: path)
        try scanFolder(path, names, source: number, ancestors: [])
      } else if Self.isArchive(path) {
        try record(.archive(path: path, source: number))
      } else if let format = ManifestReader.Format(rawValue: fileExtension) {
        try scanManifest(path, format, source: number)
      } else {
        throw DalleError(
          .data,
          "\(path): is not a source; name a folder, a .jsonl, .csv or .tsv manifest, or a .tar, .tar.gz, .tgz or .tar.zst archive")
      }
    }
  }

  private static func isArchive(_ path: String) -> Bool {
    [".tar", ".tar.gz", ".tgz", ".tar.zst"].contains { path.lowercased().hasSuffix($0) }
  }

  private func scanManifest(_ path: String, _ format: ManifestReader.Format, source: Int) throws {
    var reader = try ManifestReader(path, format, columns: columns)
    let folder = (path as NSString).deletingLastPathComponent
    while let entry = try reader.next() {
      switch entry {
      case .success(let entry):
        let image = entry.image.hasPrefix("/") ? entry.image : (folder as NSString).appendingPathComponent(entry.image)
        try record(
          .image(
            Candidate(
              location: "\(path):\(reader.line)", image: ImageLocation(image), captions: .inline(entry.captions), source: source)))
      case .failure(let skip): try record(.skipped(skip))
      }
    }
  }

  /// Lists everything below a folder, subfolders in the order of their names. Memory holds the names of one folder per level.
  ///
  /// - Parameter ancestors: folders above this one, by device and file number; a link back to one of them is not followed.
  private func scanFolder(_ folder: String, _ names: [String], source: Int, ancestors: Set<[UInt64]>) throws {
    let siblings = Set(names)
    for name in names {
      let path = "\(folder)/\(name)"
      let fileExtension = (name as NSString).pathExtension.lowercased()
      if Self.imageExtensions.contains(fileExtension) {
        let stem = (name as NSString).deletingPathExtension
        if let captions = ["\(stem).txt", "\(stem).json"].first(where: siblings.contains) {
          try record(
            .image(
              Candidate(
                location: path, image: ImageLocation(path), captions: .file("\(folder)/\(captions)"), source: source)))
        } else {
          try record(.skipped(Skip(path, .noCaption, "there is no \(stem).txt or \(stem).json beside it")))
        }
      } else if Self.isArchive(name) {
        try record(.archive(path: path, source: source))
      } else if fileExtension.isEmpty || !["txt", "json", "parquet"].contains(fileExtension) {
        var status = stat()
        guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else { continue }
        let identity = [UInt64(status.st_dev), UInt64(status.st_ino)]
        if ancestors.contains(identity) { continue }
        do {
          let names = try self.names(in: path)
          try scanFolder(path, names, source: source, ancestors: ancestors.union([identity]))
        } catch let error as DalleError {
          try record(.skipped(Skip(path, .damagedSource, "\(error)")))
        }
      }
    }
  }

  /// The names in a folder without hidden ones, sorted.
  private func names(in folder: String) throws -> [String] {
    do {
      return try FileManager.default.contentsOfDirectory(atPath: folder).filter { !$0.hasPrefix(".") }.sorted()
    } catch {
      throw DalleError.file(folder, "the folder cannot be read", error)
    }
  }
}
