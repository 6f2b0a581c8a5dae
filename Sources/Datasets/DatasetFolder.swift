import Errors
import Files
import Foundation

/// Paths of a dataset's files.
package struct DatasetFolder: Sendable {
  package let path: String

  package init(_ path: String) { self.path = path }

  /// Options and counts; the dataset is complete when this file exists.
  package var summary: String { current(Name.summary) }
  package var skipped: String { current(Name.skipped) }
  package func samples(_ split: Split) -> String { current(Name.samples(split)) }
  package func index(_ split: Split) -> String { current(Name.index(split)) }
  /// What the sources held, entry by entry, and marks to find an entry by.
  var entries: String { current(Name.entries) }
  var entryMarks: String { current(Name.entryMarks) }

  private enum Name {
    static let summary = "dataset.json"
    static let skipped = "skipped.jsonl"
    static let entries = "entries.jsonl"
    static let entryMarks = "entries.index"
    static func samples(_ split: Split) -> String { "\(split.rawValue).jsonl" }
    static func index(_ split: Split) -> String { "\(split.rawValue).index" }

    /// All but the summary.
    static let parts = Split.allCases.flatMap { [samples($0), index($0)] } + [skipped, entries, entryMarks]
  }

  /// A file of the dataset: where it is until all files of a new dataset have been moved.
  private func current(_ name: String) -> String {
    let waiting = "\(work)/merged/\(name)"
    return isBeingPublished && FileManager.default.fileExists(atPath: waiting) ? waiting : "\(path)/\(name)"
  }

  /// Whether `merged` has a complete dataset, some of whose files may have been moved here.
  private var isBeingPublished: Bool { FileManager.default.fileExists(atPath: "\(work)/merged/\(Name.summary)") }

  var copiedImages: String { path + "/images" }
  var work: String { path + "/work" }
  /// The options; the scan is complete when this file exists.
  var options: String { work + "/options.json" }
  package func scanned(_ workItem: Int) -> String { "\(work)/scanned-\(workItem).jsonl" }
  package func validated(_ workItem: Int) -> String { "\(work)/validated-\(workItem).jsonl" }
  /// Where the files of a new dataset are written, to replace those of this folder together.
  var merged: DatasetFolder { DatasetFolder(work + "/merged") }

  /// Whether the folder has a finished dataset, perhaps a damaged one or one of another version. A `dataset.json` alone, as other
  /// programs write it beside images, is none.
  package var isDataset: Bool {
    guard let bytes = try? readFile(summary) else { return false }
    if FileManager.default.fileExists(atPath: index(.training)) { return true }
    let object = (try? JSONSerialization.jsonObject(with: bytes)) as? [String: Any]
    return object?["version"] is Int && object?["options"] is [String: Any] && object?["training"] is Int
  }

  /// When the dataset was written: `2026-05-03 14:07`.
  package var date: String {
    guard let stamp = FileStamp(summary) else { return "an unknown date" }
    let format = Date.VerbatimFormatStyle(
      format:
        "\(year: .defaultDigits)-\(month: .twoDigits)-\(day: .twoDigits) \(hour: .twoDigits(clock: .twentyFourHour, hourCycle: .zeroBased)):\(minute: .twoDigits)",
      locale: Locale(identifier: "en_US_POSIX"), timeZone: .current, calendar: Calendar(identifier: .gregorian))
    return Date(timeIntervalSince1970: Double(stamp.modified) / 1e9).formatted(format)
  }

  /// The options and counts in a file that a collection wrote.
  ///
  /// - Throws: `DalleError` for a damaged file, and one of another version.
  static func readSummary(_ path: String) throws -> DatasetSummary {
    let bytes = try readFile(path)
    if let summary = try? JSONDecoder().decode(DatasetSummary.self, from: bytes),
      summary.version == DatasetSummary.currentVersion
    {
      return summary
    }
    let object = (try? JSONSerialization.jsonObject(with: bytes)) as? [String: Any]
    if let version = object?["version"] as? Int, version != DatasetSummary.currentVersion {
      throw DalleError(
        .data,
        "\(path): has format version \(version) (this program reads \(DatasetSummary.currentVersion)); collect the dataset into another folder"
      )
    }
    throw DalleError(.data, "\(path): cannot be parsed; restore it, or collect the dataset into another folder")
  }

  /// The options and counts of a finished dataset.
  package func readSummary() throws -> DatasetSummary { try Self.readSummary(summary) }

  /// The files from which a finished dataset is read, apart from images that stay in their sources: bytes of each, by path.
  package func finishedFiles() throws -> [String: Int] {
    var files: [String: Int] = [:]
    for file in [summary] + Split.allCases.flatMap({ [samples($0), index($0)] }) { files[file] = try fileSize(file) }
    for (file, byteCount) in try Dataset(self).summary.copies { files["\(path)/\(file)"] = byteCount }
    return files
  }

  /// Replaces the dataset by the one whose files were written into `merged`. Writing the summary there is the moment at which the new
  /// dataset is the valid one: an interruption before it leaves the old dataset, one after it the new one, which is read from both
  /// folders until `finishPublication` has moved the rest.
  ///
  /// - Parameter step: called before each change of a file.
  func publish(_ summary: DatasetSummary, step: () throws -> Void = {}) throws {
    try step()
    try replaceFile(merged.summary, with: JSON.pretty(summary))
    try finishPublication(step: step)
  }

  /// Moves the files of a dataset that waits in `merged`, the summary last, and removes what was needed to make it. Nothing happens
  /// if there is none. The caller has the folder's lock.
  func finishPublication(step: () throws -> Void = {}) throws {
    guard isBeingPublished else { return }
    // Work items that are published must not be taken for those of an interrupted collection.
    try step()
    unlink(options)
    for name in Name.parts where FileManager.default.fileExists(atPath: "\(merged.path)/\(name)") {
      try step()
      try move(name)
    }
    try synchronizeFolder(path)
    try step()
    try move(Name.summary)
    try synchronizeFolder(path)
    let copies = try readSummary().copies
    for name in (try? FileManager.default.contentsOfDirectory(atPath: copiedImages)) ?? [] where copies["images/\(name)"] == nil {
      try step()
      unlink("\(copiedImages)/\(name)")
    }
    try step()
    removeWork()
  }

  private func move(_ name: String) throws {
    guard rename("\(merged.path)/\(name)", "\(path)/\(name)") == 0 else {
      throw DalleError.file("\(path)/\(name)", "cannot be written")
    }
  }

  /// Removes what a collection or an update needed, unless a complete dataset waits in it.
  func removeWork() { if !isBeingPublished { try? FileManager.default.removeItem(atPath: work) } }
}
