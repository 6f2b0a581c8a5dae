import Errors
import Files
import Foundation

/// Paths of a dataset's files.
package struct DatasetFolder: Sendable {
  package let path: String

  package init(_ path: String) { self.path = path }

  /// Options and counts; the dataset is complete when this file exists.
  package var summary: String { path + "/dataset.json" }
  package var skipped: String { path + "/skipped.jsonl" }
  package func samples(_ split: Split) -> String { "\(path)/\(split.rawValue).jsonl" }
  package func index(_ split: Split) -> String { "\(path)/\(split.rawValue).index" }
  /// What the sources held, entry by entry, and marks to find an entry by.
  var entries: String { path + "/entries.jsonl" }
  var entryMarks: String { path + "/entries.index" }

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

  /// Takes the files that were written into `merged`, the summary last: an interruption leaves no dataset that mixes old and new.
  func publish(_ summary: DatasetSummary) throws {
    unlink(self.summary)
    for (from, to) in zip(merged.parts, parts) {
      guard rename(from, to) == 0 else { throw DalleError.file(to, "cannot be written") }
    }
    try synchronizeFolder(path)
    try replaceFile(self.summary, with: JSON.pretty(summary))
    for name in (try? FileManager.default.contentsOfDirectory(atPath: copiedImages)) ?? []
    where summary.copies["images/\(name)"] == nil { unlink("\(copiedImages)/\(name)") }
  }

  private var parts: [String] {
    Split.allCases.flatMap { [samples($0), index($0)] } + [skipped, entries, entryMarks]
  }
}
