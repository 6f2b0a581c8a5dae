import Errors
import Files
import Foundation

/// Finds a recorded entry: what it was read from, and the lines of its results.
struct EntryMark: BitwiseCopyable {
  var key: UInt64
  var stamp: UInt64
  /// Where its results begin: the lines after that of its origin, up to the next entry.
  var offset: Int
  var byteCount: Int
}

/// The entries of a finished dataset, in the order of their scan, and marks sorted by key.
struct RecordedEntries {
  let marks: FileArray<EntryMark>
  private let lines: RandomAccessFile

  init(_ folder: DatasetFolder) throws {
    marks = try FileArray(folder.entryMarks)
    lines = try RandomAccessFile(folder.entries)
  }

  /// What an entry gave when it was validated; nil if it is not recorded, or one of its files has changed.
  func results(of origin: EntryOrigin) throws -> [ValidatedEntry]? {
    let (key, stamp) = (origin.key, origin.stamp)
    var (low, high) = (0, marks.count)
    while low < high {
      let middle = (low + high) / 2
      if (marks[middle].key, marks[middle].stamp) < (key, stamp) { low = middle + 1 } else { high = middle }
    }
    guard low < marks.count, marks[low].key == key, marks[low].stamp == stamp else { return nil }
    let mark = marks[low]
    guard mark.offset >= 0, mark.byteCount >= 0, mark.byteCount <= lines.size - mark.offset else { return nil }
    let bytes = Data(try lines.read(mark.offset..<mark.offset + mark.byteCount))
    let results = bytes.split(separator: UInt8(ascii: "\n")).map { try? JSONDecoder().decode(ValidatedEntry.self, from: $0) }
    if results.contains(where: { $0 == nil }) { return nil }
    let known = results.compactMap(\.self)
    // Datasets of earlier versions did not count captions: their entries are validated again.
    func has(_ isIt: (ValidatedEntry) -> Bool) -> Bool { known.contains(where: isIt) }
    let hasSamples = has { if case .sample = $0 { true } else { false } }
    let hasCounts = has { if case .captions = $0 { true } else { false } }
    return hasSamples && !hasCounts ? nil : known
  }
}

/// Writes the entries of a dataset.
final class EntryRecorder {
  private let entries: JSONLinesWriter
  private let marks: FileWriter
  private let folder: DatasetFolder
  private var open: EntryMark?
  private var end = 0

  init(_ folder: DatasetFolder) throws {
    self.folder = folder
    entries = try JSONLinesWriter(folder.entries)
    marks = try FileWriter(folder.entryMarks)
  }

  func add(_ entry: ValidatedEntry) throws {
    let line = try entries.write(entry)
    switch entry {
    case .origin: try close()
    case .sample, .skipped, .unused, .captionFiles, .captions, .note, .copies: break
    }
    end = line.offset + line.count + 1
    if case .origin(let origin?) = entry {
      open = EntryMark(key: origin.key, stamp: origin.stamp, offset: end, byteCount: 0)
    }
  }

  private func close() throws {
    guard var mark = open else { return }
    mark.byteCount = end - mark.offset
    try withUnsafeBytes(of: mark) { try marks.write($0) }
    open = nil
  }

  /// Sorts the marks.
  ///
  /// - Parameter scratch: a folder for a temporary file as large as the marks.
  func finish(scratch: String) throws {
    try close()
    try entries.finish()
    try marks.finish()
    let unsorted = try FileArray<EntryMark>(folder.entryMarks)
    let sorted = try FileArray<EntryMark>(scratchIn: scratch, count: unsorted.count)
    for index in unsorted.indices { sorted[index] = unsorted[index] }
    // Of equal entries the first is found.
    sorted.sort { ($0.key, $0.stamp, $0.offset) < ($1.key, $1.stamp, $1.offset) }
    let writer = try FileWriter(folder.entryMarks)
    for mark in sorted { try withUnsafeBytes(of: mark) { try writer.write($0) } }
    try writer.finish()
  }
}
