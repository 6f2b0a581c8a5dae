import Errors
import Files
import Foundation

/// Collects a dataset from sources in three steps, each of which resumes where it stopped: `scan` lists the sources as work
/// items, `validate` checks a work item (in any process, in any order), `merge` writes the dataset from the results. The
/// dataset depends on the sources and the options alone. Memory grows only with the number of names in one folder.
package struct Collector: Sendable {
  /// Images per work item; an archive is a work item of its own.
  private static let imagesPerWorkItem = 256

  package let folder: DatasetFolder
  package let options: DatasetOptions

  /// - Throws: `DalleError` for invalid options, and for options that differ from those the folder was begun with.
  package init(_ folder: DatasetFolder, options: DatasetOptions) throws {
    try options.validate()
    (self.folder, self.options) = (folder, options)
    for path in [folder.summary, folder.options] where FileManager.default.fileExists(atPath: path) {
      guard let recorded = try? JSONDecoder().decode(DatasetSummary.self, from: readFile(path)) else {
        throw DalleError(
          .data,
          "\(path): cannot be parsed, or was written by a different version of this program; remove \(folder.path), or use another folder"
        )
      }
      guard recorded.options == options else {
        throw DalleError(
          .data,
          "\(folder.path): was collected with different sources or options (see \(path)); use another folder, or remove this one")
      }
    }
  }

  /// Whether the dataset is complete.
  package var isFinished: Bool { FileManager.default.fileExists(atPath: folder.summary) }

  /// Lists the sources as work items, unless that is done. One process calls it, before any `validate`.
  package func scan() throws {
    if FileManager.default.fileExists(atPath: folder.options) { return }
    // Images that an earlier scan's work items copied; the sources have been repaired since.
    try? FileManager.default.removeItem(atPath: folder.copiedImages)
    try makeFolder(folder.work)
    var (workItem, count) = (0, 0)
    var writer: JSONLinesWriter?
    func closeWorkItem() throws {
      guard let full = writer else { return }
      try full.finish()
      (writer, workItem, count) = (nil, workItem + 1, 0)
    }
    for (number, source) in options.sources.enumerated() {
      let scanner = SourceScanner(columns: options.columns) { entry in
        if case .archive = entry { try closeWorkItem() }
        let file = try writer ?? JSONLinesWriter(folder.scanned(workItem))
        writer = file
        try file.write(entry)
        count += 1
        if case .archive = entry { try closeWorkItem() }
        if count == Self.imagesPerWorkItem { try closeWorkItem() }
      }
      try scanner.scan(source, number: number)
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

  /// Validates a work item. Different work items may be validated at the same time.
  ///
  /// - Parameter stop: called before each sample; what it throws ends the work, and nothing of the work item stays.
  package func validate(_ workItem: Int, stop: () throws -> Void = {}) throws {
    let copies = ImageCopies(folder, workItem: workItem)
    let validator = try SampleValidator(columns: options.columns, filters: options.filters, copies: copies)
    let results = try JSONLinesWriter(folder.validated(workItem))
    try forEachLine(folder.scanned(workItem)) { (entry: ScanEntry) in
      try stop()
      try validator.validate(entry) {
        try stop()
        try results.write($0.entry)
      }
    }
    if let copied = try copies.finish() { try results.write(copied) }
    try results.finish()
  }

  /// Writes the dataset from the validated work items. One process calls it, after all of them are validated.
  package func merge() throws -> DatasetSummary {
    let summary: DatasetSummary
    do {
      summary = try DatasetMerge(folder, options: options, workItemCount: workItemCount()).write()
    } catch let error as DalleError where error.kind == .data {
      // The sources cannot be used as they are. Once they are repaired, they must be scanned and validated again.
      try? FileManager.default.removeItem(atPath: folder.work)
      throw error
    }
    try? FileManager.default.removeItem(atPath: folder.work)
    return summary
  }
}

/// A line of a validated work item.
enum ValidatedEntry: Codable {
  case sample(Sample)
  case skipped(Skip)
  /// A file with images that were copied out of an archive; its path is relative to the dataset's folder.
  case copies(path: String, byteCount: Int)
}

extension Result<Sample, Skip> {
  fileprivate var entry: ValidatedEntry {
    switch self {
    case .success(let sample): .sample(sample)
    case .failure(let skip): .skipped(skip)
    }
  }
}

/// Paths of a dataset's files.
package struct DatasetFolder: Sendable {
  package let path: String

  package init(_ path: String) { self.path = path }

  /// Options and counts; the dataset is complete when this file exists.
  package var summary: String { path + "/dataset.json" }
  package var skipped: String { path + "/skipped.jsonl" }
  package func samples(_ split: Split) -> String { "\(path)/\(split.rawValue).jsonl" }
  package func index(_ split: Split) -> String { "\(path)/\(split.rawValue).index" }

  /// The files from which a finished dataset is read, apart from images that stay in their sources: bytes of each, by path.
  package func finishedFiles() throws -> [String: Int] {
    var files: [String: Int] = [:]
    for file in [summary] + Split.allCases.flatMap({ [samples($0), index($0)] }) { files[file] = try fileSize(file) }
    for (file, byteCount) in try Dataset(self).summary.copies { files["\(path)/\(file)"] = byteCount }
    return files
  }

  var copiedImages: String { path + "/images" }
  /// Images that were copied while a work item was validated; relative to the folder.
  func copiedImages(_ workItem: Int) -> String { "images/work-item-\(workItem)" }

  var work: String { path + "/work" }
  /// The options; the scan is complete when this file exists.
  var options: String { work + "/options.json" }
  package func scanned(_ workItem: Int) -> String { "\(work)/scanned-\(workItem).jsonl" }
  package func validated(_ workItem: Int) -> String { "\(work)/validated-\(workItem).jsonl" }
}
