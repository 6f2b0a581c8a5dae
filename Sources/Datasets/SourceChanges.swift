import Errors
import Files
import Foundation

/// How a dataset's sources differ from what they were when it was collected, by names, sizes and times.
package struct SourceChanges: Equatable, Sendable {
  /// Images with captions, and archives.
  package var added = 0
  package var changed = 0
  package var removed = 0
  /// Why the sources cannot be compared; nil if they can.
  package var problem: String?
  /// Entries that were compared before time was up; nil if all were.
  package var comparedCount: Int?

  package var isEmpty: Bool { problem == nil && added + changed + removed == 0 }

  private struct TimeIsUp: Error {}

  /// Lists the sources of a finished dataset again, without reading images.
  ///
  /// - Parameter limit: on time; the entries that are listed by then are compared.
  package init(_ folder: DatasetFolder, _ options: DatasetOptions, limit: Duration? = nil) throws {
    let start = ContinuousClock.now
    let recorded = try RecordedEntries(folder).marks
    var current: [(key: UInt64, stamp: UInt64)] = []
    do {
      for (number, source) in options.sources.enumerated() {
        let scanner = SourceScanner(source, number: number, columns: options.columns, output: folder.path) { entry in
          guard let origin = entry.origin(options) else { return }
          current.append((origin.key, origin.stamp))
          // Asking for the time takes less than asking for a file's.
          if let limit, ContinuousClock.now - start > limit { throw TimeIsUp() }
        }
        try scanner.scan()
      }
    } catch is TimeIsUp {
      comparedCount = current.count
    } catch let error as DalleError {
      problem = error.description
      return
    }
    current.sort { ($0.key, $0.stamp) < ($1.key, $1.stamp) }
    var (before, now) = (0, 0)
    while before < recorded.count || now < current.count {
      let key = min(before < recorded.count ? recorded[before].key : .max, now < current.count ? current[now].key : .max)
      let (firstBefore, firstNow) = (before, now)
      // Of entries with one key, those with equal stamps are the same.
      var same = 0
      while true {
        let old = before < recorded.count && recorded[before].key == key ? recorded[before].stamp : nil
        let new = now < current.count && current[now].key == key ? current[now].stamp : nil
        switch (old, new) {
        case (let old?, let new?) where old == new:
          same += 1
          before += 1
          now += 1
        case (let old?, let new?) where old > new: now += 1
        case (.some, _): before += 1
        case (nil, .some): now += 1
        case (nil, nil): break
        }
        if old == nil && new == nil { break }
      }
      let (countBefore, countNow) = (before - firstBefore, now - firstNow)
      added += max(0, countNow - countBefore)
      removed += max(0, countBefore - countNow)
      changed += min(countBefore, countNow) - same
    }
    if comparedCount != nil { removed = 0 }  // those that were not listed
  }

  /// `3 entries added, 1 changed, 2 removed`
  package var description: String {
    if let problem { return problem }
    let parts = [(added, "added"), (changed, "changed"), (removed, "removed")].filter { $0.0 > 0 }
    let counts = parts.map { "\($0.0.formatted()) \($0.1)" }
    return counts.isEmpty ? "nothing" : counts.joined(separator: ", ")
  }
}
