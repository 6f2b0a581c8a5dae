import Errors
import Files
import Foundation

/// Lists what sources hold, without looking into pictures or archives.
struct SourceListing {
  private static let pictures: Set<String> = ["jpg", "jpeg", "png", "webp", "gif"]
  private let columns: Columns
  private let found: (ListedItem) throws -> Void

  /// - Parameter found: gets every item, in an order that depends on the sources alone.
  init(columns: Columns, found: @escaping (ListedItem) throws -> Void) { (self.columns, self.found) = (columns, found) }

  func list(_ source: Source, number: Int) throws {
    for path in try source.expanded() {
      var isFolder: ObjCBool = false
      _ = FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
      let fileExtension = (path as NSString).pathExtension.lowercased()
      if isFolder.boolValue {
        let names = try names(in: path)
        try walk(path, names, source: number, above: [])
      } else if Self.isArchive(path) {
        try found(.archive(path: path, source: number))
      } else if let format = ManifestReader.Format(rawValue: fileExtension) {
        try listManifest(path, format, source: number)
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

  private func listManifest(_ path: String, _ format: ManifestReader.Format, source: Int) throws {
    var reader = try ManifestReader(path, format, columns: columns)
    let folder = (path as NSString).deletingLastPathComponent
    while let entry = try reader.next() {
      switch entry {
      case .success(let entry):
        let image = entry.image.hasPrefix("/") ? entry.image : (folder as NSString).appendingPathComponent(entry.image)
        try found(
          .picture(
            Candidate(
              place: "\(path):\(reader.line)", picture: ImageLocation(image), captions: .given(entry.captions), source: source)))
      case .failure(let skip): try found(.skipped(skip))
      }
    }
  }

  /// Everything below a folder, folders in the order of their names. Needs memory for one folder's names at a time.
  ///
  /// - Parameter above: folders on the way here, by device and file number: a link back to one of them is not followed.
  private func walk(_ folder: String, _ names: [String], source: Int, above: Set<[UInt64]>) throws {
    let here = Set(names)
    for name in names {
      let path = "\(folder)/\(name)"
      let fileExtension = (name as NSString).pathExtension.lowercased()
      if Self.pictures.contains(fileExtension) {
        let stem = (name as NSString).deletingPathExtension
        if let captions = ["\(stem).txt", "\(stem).json"].first(where: here.contains) {
          try found(
            .picture(
              Candidate(place: path, picture: ImageLocation(path), captions: .file("\(folder)/\(captions)"), source: source)))
        } else {
          try found(.skipped(Skip(path, .noCaption, "there is no \(stem).txt or \(stem).json beside it")))
        }
      } else if Self.isArchive(name) {
        try found(.archive(path: path, source: source))
      } else if fileExtension.isEmpty || !["txt", "json", "parquet"].contains(fileExtension) {
        var status = stat()
        guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else { continue }
        let identity = [UInt64(status.st_dev), UInt64(status.st_ino)]
        if above.contains(identity) { continue }
        do {
          let names = try self.names(in: path)
          try walk(path, names, source: source, above: above.union([identity]))
        } catch let error as DalleError {
          try found(.skipped(Skip(path, .damagedSource, "\(error)")))
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
