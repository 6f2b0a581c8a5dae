import Errors
import Files
import Foundation

/// Lists the images and archives of a source without opening them, and counts every file that it does not list.
final class SourceScanner {
  private let source: DatasetSource
  private let number: Int
  private let columns: Columns
  private let record: (ScanEntry) throws -> Void
  /// Folders whose files are listed, and those that contain the source.
  private var visited: Set<FolderIdentity> = []
  private let output: FolderIdentity?
  private var unused = UnusedFileCounts()
  /// Hash values of the paths of images that a `metadata.jsonl` or `metadata.csv` names.
  private var claimed: Set<Int> = []

  /// - Parameters:
  ///   - number: of the source in the dataset's options.
  ///   - columns: for a source without columns of its own.
  ///   - output: a folder that is no part of the source: the dataset's.
  ///   - record: gets every entry, in an order that depends on the source alone.
  init(
    _ source: DatasetSource, number: Int, columns: Columns, output: String, record: @escaping (ScanEntry) throws -> Void
  ) {
    (self.source, self.number, self.columns, self.record) = (source, number, source.columns ?? columns, record)
    self.output = FolderIdentity(output)
  }

  /// - Throws: `DalleError` for a path that does not exist, cannot be read, or has an unsupported format.
  func scan() throws {
    for path in try source.expandedPaths() {
      if case .folder(let identity) = FolderListing.kind(path) {
        var above = path
        while above != "/", !above.isEmpty {
          above = (above as NSString).deletingLastPathComponent
          if let folder = FolderIdentity(above) { visited.insert(folder) }
        }
        visited.insert(identity)
        let listing = try FolderListing(path)
        let repeats = source.folderRepeats ? Self.repeats(listing) : [:]
        for (name, count) in repeats.sorted(by: { $0.key < $1.key }) {
          try record(
            .note("\(path)/\(name): an epoch has each sample \(count) times, by the name of the folder; --repeat 1 prevents it"))
        }
        try scanFolder(path, listing, repeats: repeats, folderRepeats: nil)
      } else if FileKind.isArchive(path) {
        try record(.archive(path: path, source: number))
      } else if let format = ManifestReader.Format(path: path) {
        try scanManifest(path, format) { _ in }
      } else {
        throw Self.unsupported(path)
      }
    }
    for files in unused.all { try record(.unused(files)) }
  }

  private static func unsupported(_ path: String) -> DalleError {
    let advice =
      switch FileKind.suffix(path) {
      case "parquet", "arrow": "turn it into archives with Launch/import-parquet, and name its output"
      case "zip", "rar", "7z", "gz", "zst", "bz2", "xz", "tbz2", "txz": "unpack it, and name what was in it"
      default: "name a folder, a .jsonl, .json, .csv or .tsv manifest, or a .tar, .tar.gz, .tgz or .tar.zst archive"
      }
    return DalleError(.data, "\(path): is not a source; \(advice)")
  }

  // MARK: Manifests

  /// - Parameter use: gets the path of each image that is listed.
  private func scanManifest(_ path: String, _ format: ManifestReader.Format, use: (String) -> Void) throws {
    var survey = try ManifestReader(path, format, columns: columns)
    let images = try ManifestImages(path) {
      while let entry = try survey.next() { if case .success(let entry) = entry { return entry.image } }
      return nil
    }
    if let note = images.note { try record(.note(note)) }
    var reader = try ManifestReader(path, format, columns: columns)
    while let entry = try reader.next() {
      let location = "\(path):\(reader.line)"
      var captionCount = 0
      do {
        let entry = try entry.get()
        captionCount = entry.captions.count
        let image = try images.path(entry.image)
        use(image)
        try record(
          .image(
            Candidate(location: location, image: ImageLocation(image), captions: .inline(entry.captions), source: number)))
        for problem in entry.unusable {
          var skip = Skip(location, .unreadableCaption, problem)
          skip.keepsSample = true
          try record(.skipped(skip))
        }
      } catch let skip as Skip {
        try record(.skipped(skip))
      } catch let problem as ManifestImages.NoPath {
        var skip = Skip(location, .missingImage, problem.detail)
        skip.captions = captionCount
        try record(.skipped(skip))
      }
    }
  }

  // MARK: Folders

  /// The numbers in the names of a folder's subfolders, if each is named as kohya's trainers want it: `10_NAME`.
  private static func repeats(_ listing: FolderListing) -> [String: Int] {
    var repeats: [String: Int] = [:]
    for entry in listing.entries {
      guard case .folder = entry.kind else { continue }
      let parts = entry.name.split(separator: "_", maxSplits: 1)
      guard parts.count == 2, let count = Int(parts[0]), (1...1000).contains(count) else { return [:] }
      repeats[entry.name] = count
    }
    return repeats
  }

  /// Lists everything below a folder, subfolders in the order of their names, links to folders last. Memory holds the names of one
  /// folder per level.
  ///
  /// - Parameters:
  ///   - repeats: how often subfolders repeat their samples, by their names.
  ///   - folderRepeats: how often this folder does.
  private func scanFolder(_ folder: String, _ listing: FolderListing, repeats: [String: Int], folderRepeats: Int?) throws {
    for name in listing.hidden { unused.add(UnusedFiles.hidden, "\(folder)/\(name)") }
    for name in listing.badNames { unused.add(UnusedFiles.badName, "\(folder)/\(name)") }
    try scanMetadata(folder, listing)
    let captions = CaptionFiles(listing)
    var used: Set<String> = []
    for entry in listing.entries {
      let path = "\(folder)/\(entry.name)"
      if case .folder(let identity) = entry.kind {
        if captions.mayBeImage(entry.name), !captions.files(for: entry.name).isEmpty {
          try record(.skipped(Skip(path, .unreadableImage, "is a folder; its files are taken for themselves")))
        }
        if !entry.isLink {
          try scanSubfolder(path, identity, folderRepeats: repeats[entry.name] ?? folderRepeats)
        }
        continue
      }
      switch FileKind(entry.name) {
      case .archive where entry.kind != .special: try record(.archive(path: path, source: number))
      case _ where captions.mayBeImage(entry.name):
        let files = captions.files(for: entry.name)
        used.formUnion(files)
        if !files.isEmpty {
          try record(
            .image(
              Candidate(
                location: path, image: ImageLocation(path), captions: .files(files.map { "\(folder)/\($0)" }), source: number,
                folderRepeats: folderRepeats)))
        } else if entry.kind == .special {
          unused.add(UnusedFiles.special, path)
        } else if !claimed.contains(path.hashValue) {
          try record(.skipped(Skip(path, .noCaption, captions.missing(for: entry.name))))
        }
      case .caption: break
      default: addUnused(entry, path, listing)
      }
    }
    for entry in listing.entries where FileKind(entry.name) == .caption && !used.contains(entry.name) {
      if case .folder = entry.kind { continue }
      addUnused(entry, "\(folder)/\(entry.name)", listing)
    }
    for entry in listing.entries where entry.isLink {
      guard case .folder(let identity) = entry.kind else { continue }
      try scanSubfolder("\(folder)/\(entry.name)", identity, folderRepeats: repeats[entry.name] ?? folderRepeats)
    }
  }

  private func scanSubfolder(_ path: String, _ identity: FolderIdentity, folderRepeats: Int?) throws {
    if identity == output { return }
    guard visited.insert(identity).inserted else { return unused.add(UnusedFiles.usedFolder, path) }
    do {
      try scanFolder(path, FolderListing(path), repeats: [:], folderRepeats: folderRepeats)
    } catch let error as DalleError { try record(.skipped(Skip(path, .damagedSource, "\(error)"))) }
  }

  private func addUnused(_ entry: FolderListing.Entry, _ path: String, _ listing: FolderListing) {
    let kind =
      switch entry.kind {
      case .special: UnusedFiles.special
      case .brokenLink: UnusedFiles.brokenLink
      case .file, .folder: listing.isOfImg2dataset(entry.name) ? UnusedFiles.img2dataset : UnusedFiles.kind(ofSuffix: entry.name)
      }
    if kind != UnusedFiles.kind(ofSuffix: entry.name) || !Self.isMetadata(entry.name) { unused.add(kind, path) }
  }

  private static func isMetadata(_ name: String) -> Bool { ["metadata.jsonl", "metadata.csv"].contains(name.lowercased()) }

  /// Takes the images that a folder's `metadata.jsonl` or `metadata.csv` names (Hugging Face's imagefolder).
  private func scanMetadata(_ folder: String, _ listing: FolderListing) throws {
    for entry in listing.entries where Self.isMetadata(entry.name) && entry.kind == .file {
      let path = "\(folder)/\(entry.name)"
      do {
        try scanManifest(path, ManifestReader.Format(path: path)!) { claimed.insert($0.hashValue) }
      } catch let error as DalleError where error.kind == .data {
        try record(.skipped(Skip(path, .damagedSource, "\(error)")))
      }
    }
  }
}

extension FolderListing {
  /// Whether a file has img2dataset's statistics of an archive or folder that is here.
  func isOfImg2dataset(_ name: String) -> Bool {
    let stem = FileKind.stem(name.replacingOccurrences(of: "_stats.json", with: ".json"))
    guard name.hasSuffix("_stats.json") || name.hasSuffix(".parquet") else { return false }
    return contains(stem) || contains(stem + ".tar")
  }

  private func contains(_ name: String) -> Bool {
    var (low, high) = (0, entries.count)
    while low < high {
      let middle = (low + high) / 2
      if entries[middle].name.utf8.lexicographicallyPrecedes(name.utf8) { low = middle + 1 } else { high = middle }
    }
    return low < entries.count && entries[low].name == name
  }
}

/// The captions of a folder's images: NAME.txt, NAME.SUFFIX.txt, NAME.caption or NAME.json beside NAME.SUFFIX.
private struct CaptionFiles {
  private var files: [String: [String]] = [:]
  /// Folders that are named as files of captions.
  private var folders: Set<String> = []
  /// Names, without suffixes, of files with an image's suffix.
  private var imageStems: Set<String> = []

  init(_ listing: FolderListing) {
    for entry in listing.entries {
      if case .folder = entry.kind {
        if FileKind(entry.name) == .caption { folders.insert(entry.name) }
        continue
      }
      switch FileKind(entry.name) {
      case .caption: files[FileKind.stem(entry.name), default: []].append(entry.name)
      case .image: imageStems.insert(FileKind.stem(entry.name))
      default: break
      }
    }
  }

  /// Whether a file has an image's suffix, or is the only file that a caption beside it can mean.
  func mayBeImage(_ name: String) -> Bool {
    switch FileKind(name) {
    case .image: true
    case .unknown: !imageStems.contains(FileKind.stem(name)) && !files(for: name).isEmpty
    case .caption, .archive, .other: false
    }
  }

  /// Those that may have the captions of an image, the first choice first.
  func files(for name: String) -> [String] {
    let stem = FileKind.stem(name)
    let found = (files[stem] ?? []) + (stem == name ? [] : files[name] ?? [])
    // Of names that Unicode counts as equal, one with the same bytes is meant.
    let exact = found.filter { $0.utf8.starts(with: stem.utf8) }
    return (exact.isEmpty ? found : exact).sorted { FileKind.captionRank($0) < FileKind.captionRank($1) }
  }

  /// Why an image has no caption.
  func missing(for name: String) -> String {
    let stem = FileKind.stem(name)
    if let folder = FileKind.captionNames(stem).first(where: folders.contains) {
      return "\(folder) beside it is a folder, not a file of captions"
    }
    return "there is no \(stem).txt, \(stem).caption or \(stem).json beside it"
  }
}
