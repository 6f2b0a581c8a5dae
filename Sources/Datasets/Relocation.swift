import Errors
import Files
import Foundation
import Hashing

/// Images that have moved: paths that begin with `old` begin with `new`. The dataset's identity does not depend on paths, so token
/// shards and runs stay valid.
package struct Relocation: Sendable {
  private let old: String
  private let new: String

  package init(from old: String, to new: String) {
    (self.old, self.new) = (DatasetSource.absolute(old), DatasetSource.absolute(new))
  }

  /// A source that has moved, with what is beside it: the part of the path that has changed.
  package init(ofSource old: String, to new: String) {
    var (old, new) = (DatasetSource.absolute(old) as NSString, DatasetSource.absolute(new) as NSString)
    while old.lastPathComponent == new.lastPathComponent, old.pathComponents.count > 2, new.pathComponents.count > 2 {
      (old, new) = (old.deletingLastPathComponent as NSString, new.deletingLastPathComponent as NSString)
    }
    (self.old, self.new) = (old as String, new as String)
  }

  /// Images whose contents are compared where the time of their files differs.
  private static let comparedImages = 16

  /// A path, or a location that begins with one.
  private func moved(_ path: String) -> String {
    guard path == old || ["/", ":"].contains(where: { path.hasPrefix(old + $0) }) else { return path }
    return new + path.dropFirst(old.count)
  }

  /// Rewrites a finished dataset.
  ///
  /// - Returns: files that were found in their new folder.
  /// - Throws: `DalleError` if a file is missing there, or is a different one; nothing has been changed then.
  package func apply(to folder: DatasetFolder) throws -> Int {
    try folder.finishPublication()
    var summary = try folder.readSummary()
    let merged = folder.merged
    try makeFolder(merged.path)
    defer { folder.removeWork() }
    let found = try moveEntries(folder, merged)
    for split in Split.allCases { try moveSamples(folder, merged, split) }
    let skips = try JSONLinesWriter(merged.skipped)
    try forEachLine(folder.skipped) { (skip: Skip) in try skips.write(self.moved(skip)) }
    try skips.finish()
    for index in summary.options.sources.indices {
      summary.options.sources[index].path = moved(summary.options.sources[index].path)
    }
    try folder.publish(summary)
    return found
  }

  private func moveEntries(_ folder: DatasetFolder, _ merged: DatasetFolder) throws -> Int {
    let recorder = try EntryRecorder(merged)
    var (found, missing, compared) = (0, 0, 0)
    var firstMissing: String?
    var isOlder = false
    try forEachLine(folder.entries) { (entry: ValidatedEntry) in
      switch entry {
      case .origin(nil):
        isOlder = false
        try recorder.add(entry)
      case .origin(var origin?):
        isOlder = false
        let path = moved(origin.path)
        if path != origin.path, let before = origin.file {
          let now = FileStamp(path)
          if now?.byteCount == before.byteCount {
            found += 1
            isOlder = now != before
          } else {
            missing += 1
            firstMissing = firstMissing ?? path
          }
          (origin.path, origin.file) = (path, now)
        }
        origin.captionFiles = origin.captionFiles.map { $0.path == moved($0.path) ? $0 : .init(moved($0.path)) }
        try recorder.add(.origin(origin))
      case .sample(var sample):
        sample = moved(sample)
        if isOlder, sample.image.offset == 0, compared < Self.comparedImages, missing == 0 {
          compared += 1
          guard let hash = SHA256.hex(ofFile: sample.image.path), hash.hasPrefix(sample.contentHash) else {
            throw DalleError(
              .data,
              "\(sample.image.path): is not the image that the dataset \(folder.path) was collected with; give the folder that has it, or collect \(new) as another dataset"
            )
          }
        }
        try recorder.add(.sample(sample))
      case .skipped(let skip): try recorder.add(.skipped(moved(skip)))
      case .unused, .captionFiles, .captions, .note, .copies: try recorder.add(entry)
      }
    }
    if let firstMissing {
      throw DalleError(
        .noInput,
        "\(new): lacks \(missing.formatted()) of the \((found + missing).formatted()) files of \(old), or has them in another size (the first: \(firstMissing)); put them there, or collect \(new) as another dataset"
      )
    }
    guard found > 0 else {
      let sources = try folder.readSummary().options.sources.map(\.path).joined(separator: ", ")
      throw DalleError(
        .usage, "\(folder.path): has no files below \(old); its sources are \(sources): give the beginning of one of these paths")
    }
    try recorder.finish(scratch: merged.path)
    return found
  }

  private func moveSamples(_ folder: DatasetFolder, _ merged: DatasetFolder, _ split: Split) throws {
    let old = try FileArray<LineLocation>(folder.index(split))
    let samples = try JSONLinesWriter(merged.samples(split))
    let index = try FileWriter(merged.index(split))
    // The file has a line for every sample, the index an entry for every repeat.
    var (offset, next) = (0, 0)
    try forEachLine(folder.samples(split)) { (sample: Sample) in
      let line = try samples.write(moved(sample))
      while next < old.count, old[next].offset == offset {
        try withUnsafeBytes(of: line) { try index.write($0) }
        next += 1
      }
      offset += try JSON.line(sample).count + 1
    }
    try samples.finish()
    try index.finish()
  }

  private func moved(_ skip: Skip) -> Skip {
    var skip = skip
    skip.location = moved(skip.location)
    return skip
  }

  private func moved(_ sample: Sample) -> Sample {
    var sample = sample
    sample.location = moved(sample.location)
    sample.image.path = moved(sample.image.path)
    return sample
  }
}
