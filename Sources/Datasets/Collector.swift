import Errors
import Files
import Foundation

/// Turns sources into a dataset, in three steps that each go on where they stopped: the sources are listed in units, every
/// unit is examined (by any process, in any order), and what was found is put together. The result depends on the sources
/// and the options alone. Nothing grows in memory with the sources but the names of one folder.
package struct Collector: Sendable {
  /// Pictures in a unit; an archive is a unit of its own.
  private static let unitSize = 256

  package let folder: DatasetFolder
  package let options: DatasetOptions

  /// - Throws: options that cannot work, and those that differ from what the folder was begun with.
  package init(_ folder: DatasetFolder, options: DatasetOptions) throws {
    try options.check()
    (self.folder, self.options) = (folder, options)
    for path in [folder.summary, folder.begun] where FileManager.default.fileExists(atPath: path) {
      guard let before = try? JSONDecoder().decode(DatasetSummary.self, from: readFile(path)) else {
        throw DalleError(
          .data,
          "\(path): cannot be parsed, or is of another version of this program; remove \(folder.path), or name another folder")
      }
      guard before.options == options else {
        throw DalleError(
          .data,
          "\(folder.path): was collected from other sources or with other options (see \(path)); name another folder, or remove this one"
        )
      }
    }
  }

  /// Whether the dataset is complete.
  package var isFinished: Bool { FileManager.default.fileExists(atPath: folder.summary) }

  /// Lists the sources, unless that is done. One process calls it, before any examines.
  package func list() throws {
    if FileManager.default.fileExists(atPath: folder.begun) { return }
    try? FileManager.default.removeItem(atPath: folder.copies)  // of other units, from before the sources were mended
    try makeFolder(folder.work)
    var (unit, count) = (0, 0)
    var writer: JSONLinesWriter?
    func closeUnit() throws {
      guard let full = writer else { return }
      try full.finish()
      (writer, unit, count) = (nil, unit + 1, 0)
    }
    for (number, source) in options.sources.enumerated() {
      let listing = SourceListing(columns: options.columns) { item in
        if case .archive = item { try closeUnit() }
        let file = try writer ?? JSONLinesWriter(folder.listing(unit))
        writer = file
        try file.write(item)
        count += 1
        if case .archive = item { try closeUnit() }
        if count == Self.unitSize { try closeUnit() }
      }
      try listing.list(source, number: number)
    }
    try closeUnit()
    // Left over from a listing that was stopped.
    while FileManager.default.fileExists(atPath: folder.listing(unit)) {
      unlink(folder.listing(unit))
      unit += 1
    }
    try replaceFile(folder.begun, with: JSONEncoder().encode(DatasetSummary(options: options)))
  }

  /// Units that are listed.
  package func unitCount() -> Int {
    var count = 0
    while FileManager.default.fileExists(atPath: folder.listing(count)) { count += 1 }
    return count
  }

  package func isExamined(_ unit: Int) -> Bool { FileManager.default.fileExists(atPath: folder.examined(unit)) }

  /// Examines a unit. Different units may be examined at the same time.
  ///
  /// - Parameter stop: called before each sample; what it throws ends the work, and nothing of the unit stays.
  package func examine(_ unit: Int, stop: () throws -> Void = {}) throws {
    let copies = ImageCopies(folder, unit: unit)
    let examiner = try Examiner(columns: options.columns, filters: options.filters, copies: copies)
    let found = try JSONLinesWriter(folder.examined(unit))
    try forEachLine(folder.listing(unit)) { (item: ListedItem) in
      try stop()
      try examiner.examine(item) {
        try stop()
        try found.write($0.examined)
      }
    }
    if let copied = try copies.finish() { try found.write(copied) }
    try found.finish()
  }

  /// Puts together what was examined. One process calls it, after every unit has been examined.
  package func finish() throws -> DatasetSummary {
    let summary: DatasetSummary
    do {
      summary = try DatasetMerge(folder, options: options, units: unitCount()).write()
    } catch let error as DalleError where error.kind == .data {
      // The sources are of no use as they are; when they have been mended they must be listed and examined anew.
      try? FileManager.default.removeItem(atPath: folder.work)
      throw error
    }
    try? FileManager.default.removeItem(atPath: folder.work)
    return summary
  }
}

/// A line of an examined unit.
enum Examined: Codable {
  case sample(Sample)
  case skipped(Skip)
  /// A file of images that were copied out of an archive, relative to the dataset's folder.
  case copies(path: String, byteCount: Int)
}

extension Result<Sample, Skip> {
  fileprivate var examined: Examined {
    switch self {
    case .success(let sample): .sample(sample)
    case .failure(let skip): .skipped(skip)
    }
  }
}

/// Where a dataset keeps what it is made of.
package struct DatasetFolder: Sendable {
  package let path: String

  package init(_ path: String) { self.path = path }

  /// Options and counts; the dataset is complete when this exists.
  package var summary: String { path + "/dataset.json" }
  package var skipped: String { path + "/skipped.jsonl" }
  package func samples(_ split: Split) -> String { "\(path)/\(split.rawValue).jsonl" }
  package func index(_ split: Split) -> String { "\(path)/\(split.rawValue).index" }

  /// All that a finished dataset is read from, but for what the sources hold: bytes of each file, by its path.
  package func finishedFiles() throws -> [String: Int] {
    var files: [String: Int] = [:]
    for file in [summary] + Split.allCases.flatMap({ [samples($0), index($0)] }) { files[file] = try fileSize(file) }
    for (file, byteCount) in try Dataset(self).summary.copies { files["\(path)/\(file)"] = byteCount }
    return files
  }

  var copies: String { path + "/images" }
  /// The images that were copied while a unit was examined, relative to the folder.
  func copy(_ unit: Int) -> String { "images/unit-\(unit)" }

  var work: String { path + "/work" }
  /// The options; the listing is complete when this exists.
  var begun: String { work + "/options.json" }
  package func listing(_ unit: Int) -> String { "\(work)/listed-\(unit).jsonl" }
  package func examined(_ unit: Int) -> String { "\(work)/examined-\(unit).jsonl" }
}
