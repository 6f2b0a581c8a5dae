import Errors
import Files
import Foundation

/// Collects a dataset from sources in three steps, each of which resumes where it stopped: `scan` lists the sources as work
/// items, `validate` checks a work item (in any process, in any order), `merge` writes the dataset from the results. The
/// dataset depends on the sources and the options alone. Memory grows only with the number of names in one folder or archive.
package struct Collector: Sendable {
  /// Images per work item; an archive is a work item of its own.
  private static let imagesPerWorkItem = 256

  package let folder: DatasetFolder
  package let options: DatasetOptions
  /// A finished dataset takes in the changes of its sources.
  package let isUpdate: Bool

  /// - Throws: `DalleError` for invalid options, for options that differ from those the folder was begun with (those of an update may
  ///   differ in their sources), and for a folder that is itself a source.
  package init(_ folder: DatasetFolder, options: DatasetOptions, isUpdate: Bool = false) throws {
    try options.validate()
    (self.folder, self.options, self.isUpdate) = (folder, options, isUpdate)
    let isForeign = FileManager.default.fileExists(atPath: folder.summary) && !folder.isDataset
    let isSource = FolderIdentity(folder.path).map { out in options.sources.contains { FolderIdentity($0.path) == out } } ?? false
    if isForeign || isSource {
      throw DalleError(
        .usage,
        "\(folder.path): is \(isSource ? "one of the sources" : "a folder with another program's dataset.json"), and the dataset needs a folder of its own; name a new folder"
      )
    }
    // Beside a finished dataset there may be an update that was interrupted.
    for path in [folder.isDataset ? folder.summary : folder.options] where FileManager.default.fileExists(atPath: path) {
      let recorded = try DatasetFolder.readSummary(path).options
      let isSame = isUpdate ? recorded.differsInSourcesAlone(from: options) : recorded == options
      guard isSame else {
        let advice =
          folder.isDataset && recorded.differsInSourcesAlone(from: options)
          ? "add --update, which takes new sources in, or use another folder" : "use another folder"
        throw DalleError(.data, "\(folder.path): was collected with different sources or options (see \(path)); \(advice)")
      }
    }
  }

  /// Whether the dataset is complete; before an update it is not.
  package var isFinished: Bool { !isUpdate && folder.isDataset }

  /// Lists the sources as work items, unless that is done. One process calls it, before any `validate`.
  package func scan() throws {
    try folder.finishPublication()
    if FileManager.default.fileExists(atPath: folder.options), try DatasetFolder.readSummary(folder.options).options == options {
      return
    }
    // What is left of another collection.
    folder.removeWork()
    // Images that an earlier scan's work items copied; the sources have been repaired since.
    if !folder.isDataset { try? FileManager.default.removeItem(atPath: folder.copiedImages) }
    try makeFolder(folder.work)
    var (workItem, count) = (0, 0)
    var writer: JSONLinesWriter?
    func closeWorkItem() throws {
      guard let full = writer else { return }
      try full.finish()
      (writer, workItem, count) = (nil, workItem + 1, 0)
    }
    for (number, source) in options.sources.enumerated() {
      let scanner = SourceScanner(source, number: number, columns: options.columns, output: folder.path) { entry in
        if case .archive = entry { try closeWorkItem() }
        let file = try writer ?? JSONLinesWriter(folder.scanned(workItem))
        writer = file
        try file.write(entry)
        count += 1
        if case .archive = entry { try closeWorkItem() }
        if count == Self.imagesPerWorkItem { try closeWorkItem() }
      }
      try scanner.scan()
    }
    try closeWorkItem()
    // An interrupted scan may have left more work items.
    while FileManager.default.fileExists(atPath: folder.scanned(workItem)) {
      unlink(folder.scanned(workItem))
      workItem += 1
    }
    try replaceFile(folder.options, with: JSONEncoder().encode(DatasetSummary(options: options)))
  }

  /// Work items that the scan found.
  package func workItemCount() -> Int {
    var count = 0
    while FileManager.default.fileExists(atPath: folder.scanned(count)) { count += 1 }
    return count
  }

  package func isValidated(_ workItem: Int) -> Bool { FileManager.default.fileExists(atPath: folder.validated(workItem)) }

  /// Validates a work item. Different work items may be validated at the same time. An update copies the results of entries whose
  /// files have not changed.
  ///
  /// - Parameter stop: called before each sample; what it throws ends the work, and nothing of the work item stays.
  package func validate(_ workItem: Int, stop: () throws -> Void = {}) throws {
    let recorded = folder.isDataset ? try RecordedEntries(folder) : nil
    let results = try JSONLinesWriter(folder.validated(workItem))
    let copies = ImageCopies(folder)
    let validator = try SampleValidator(options: options, copies: copies)
    try forEachLine(folder.scanned(workItem)) { (entry: ScanEntry) in
      try stop()
      let origin = entry.origin(options)
      try results.write(ValidatedEntry.origin(origin))
      if let origin, let known = try recorded?.results(of: origin) {
        for result in known { try results.write(result.of(entry)) }
        return
      }
      copies.origin = origin
      try validator.validate(entry) {
        try stop()
        try results.write($0)
      }
    }
    if let copied = try copies.finish() { try results.write(copied) }
    try results.finish()
  }

  /// Writes the dataset from the validated work items. One process calls it, after all of them are validated.
  ///
  /// - Parameter shardCaptions: captions of an image that token shards keep; those beyond it are counted.
  package func merge(shardCaptions: Int) throws -> DatasetSummary {
    let summary: DatasetSummary
    do {
      summary = try DatasetMerge(folder, options: options, workItemCount: workItemCount(), shardCaptions: shardCaptions).write()
    } catch let error as DalleError where error.kind == .data {
      // The sources cannot be used as they are. Once they are repaired, they must be scanned and validated again.
      folder.removeWork()
      throw error
    }
    return summary
  }
}

/// A line of a validated work item.
enum ValidatedEntry: Codable {
  /// What the lines after it, up to the next origin, were read from; nil if the scan itself gave them.
  case origin(EntryOrigin?)
  case sample(Sample)
  case skipped(Skip)
  case unused(UnusedFiles)
  case captionFiles(CaptionFileCounts)
  case captions(CaptionCounts)
  /// A line for the log.
  case note(String)
  /// A file with images that were copied out of an archive; its path is relative to the dataset's folder.
  case copies(path: String, byteCount: Int)

  /// The result as one of an entry with equal files, whose line in a manifest may have moved.
  func of(_ entry: ScanEntry) -> ValidatedEntry {
    switch (self, entry) {
    case (.sample(var sample), .image(let candidate)):
      (sample.location, sample.source) = (candidate.location, candidate.source)
      sample.folderRepeats = candidate.folderRepeats
      return .sample(sample)
    case (.sample(var sample), .archive(_, let source)):
      sample.source = source
      return .sample(sample)
    case (.skipped(var skip), .image(let candidate)):
      skip.location = candidate.location
      return .skipped(skip)
    default: return self
    }
  }
}
