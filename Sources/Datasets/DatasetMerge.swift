import Errors
import Files
import Foundation
import Hashing
import Images

/// The last step of collecting: merges duplicates, chooses the validation split, repeats samples, writes the dataset's files.
struct DatasetMerge {
  private let folder: DatasetFolder
  private let options: DatasetOptions
  private let workItemCount: Int
  private let shardCaptions: Int
  /// Gets the new files, until they replace those of `folder`.
  private var merged: DatasetFolder { folder.merged }

  init(_ folder: DatasetFolder, options: DatasetOptions, workItemCount: Int, shardCaptions: Int) {
    (self.folder, self.options, self.workItemCount, self.shardCaptions) = (folder, options, workItemCount, shardCaptions)
  }

  /// What duplicates are found by.
  private struct Fingerprint: BitwiseCopyable {
    var contentHash: UInt64
    var signature: ImageSignature
    /// The sample's line in the file of all samples.
    var line: LineLocation
  }

  private enum Assignment: UInt8, BitwiseCopyable {
    case training
    case validation
    /// Has the same image file as an earlier sample, which gets its captions.
    case merged
    /// Is a near duplicate of an earlier sample.
    case dropped
  }

  /// Assignments of all samples, and for duplicates the index of the sample that is kept.
  private struct Assignments {
    let values: FileArray<Assignment>
    let kept: FileArray<Int>
  }

  /// - Throws: `DalleError` if fewer than two different images are usable, or none is left to train on.
  func write() throws -> DatasetSummary {
    var summary = DatasetSummary(options: options)
    try makeFolder(merged.path)
    let skips = try SkipList(merged.skipped)
    let entries = try EntryRecorder(merged)
    var unused = UnusedFileCounts()

    // All samples go into one file, their fingerprints into another.
    let allPath = folder.work + "/all.jsonl"
    let fingerprintsPath = folder.work + "/fingerprints"
    let all = try JSONLinesWriter(allPath)
    let fingerprintsFile = try FileWriter(fingerprintsPath)
    for workItem in 0..<workItemCount {
      try forEachLine(folder.validated(workItem)) { (entry: ValidatedEntry) in
        try entries.add(entry)
        switch entry {
        case .origin: break
        case .skipped(let skip): try skips.add(skip)
        case .unused(let files): unused.add(files)
        case .captionFiles(let counts): summary.captionFiles += counts
        case .captions(let counts): summary.captions = (summary.captions ?? CaptionCounts()) + counts
        case .note(let line): summary.notes.append(line)
        case .copies(let path, let byteCount): summary.copies[path] = byteCount
        case .sample(let sample):
          let fingerprint = Fingerprint(
            contentHash: UInt64(sample.contentHash, radix: 16) ?? 0, signature: sample.signature, line: try all.write(sample))
          try withUnsafeBytes(of: fingerprint) { try fingerprintsFile.write($0) }
        }
      }
    }
    summary.unused = unused.all
    try all.finish()
    try fingerprintsFile.finish()
    try entries.finish(scratch: folder.work)
    let fingerprints = try FileArray<Fingerprint>(fingerprintsPath)
    let sources = options.sources.map(\.path).joined(separator: ", ")
    guard fingerprints.count >= 2 else {
      try skips.finish()
      // An update that fails leaves the dataset with its own list.
      let isKept = !folder.isDataset && rename(merged.skipped, folder.skipped) == 0
      let most = skips.counts.max { ($0.value, $1.key) < ($1.value, $0.key) }
      let reason =
        most.map {
          ", skipped \($0.value): \($0.key)\(isKept ? " (see \(folder.skipped))" : ""), the first is \(skips.examples[$0.key]!)"
        } ?? (fingerprints.isEmpty && summary.unused.isEmpty ? ": the sources have no entries" : "")
      let unused = summary.unused.prefix(3).map { "; \($0.line)" }.joined()
      throw DalleError(
        .data,
        "\(sources): \(fingerprints.count) usable \(fingerprints.count == 1 ? "sample" : "samples") (at least 2)\(reason)\(unused); add images with captions, or loosen the filters"
      )
    }

    let assignments = Assignments(
      values: try FileArray(scratchIn: folder.work, count: fingerprints.count),
      kept: try FileArray(scratchIn: folder.work, count: fingerprints.count))
    let distinct = try mergeExactDuplicates(fingerprints, assignments)
    if options.filters.duplicates == .near { try dropNearDuplicates(fingerprints, assignments) }
    let kept = options.filters.duplicates == .near ? assignments.values.count { $0 == .training } : distinct
    guard kept >= 2 else {
      let near = distinct > kept ? ", \(distinct - kept) of which only look the same" : ""
      throw DalleError(
        .data,
        "\(sources): \(kept) distinct image of \(fingerprints.count.formatted()) files\(near) (at least 2: one to train on, one to validate with); add other images\(near.isEmpty ? "" : ", or leave out `--duplicates near`")"
      )
    }
    try chooseValidationSplit(fingerprints, assignments)
    try writeSamples(fingerprints, assignments, allPath, &summary, skips)
    try skips.finish()
    (summary.skipped, summary.skippedParts) = (skips.counts, skips.partCounts)
    guard summary.training > 0 else {
      throw DalleError(
        .data,
        "\(folder.path): `--repeat` below 1 and the validation split leave no training samples; raise `--repeat`, or lower `--validation`"
      )
    }
    try folder.publish(summary)
    return summary
  }

  private func writeSamples(
    _ fingerprints: FileArray<Fingerprint>, _ assignments: Assignments, _ allPath: String, _ summary: inout DatasetSummary,
    _ skips: SkipList
  ) throws {
    // Merged samples, in the order of the samples that get their captions.
    let duplicates = try FileArray<Int>(scratchIn: folder.work, count: assignments.values.count { $0 == .merged })
    for (position, index) in assignments.values.indices.lazy.filter({ assignments.values[$0] == .merged }).enumerated() {
      duplicates[position] = index
    }
    duplicates.sort { (assignments.kept[$0], $0) < (assignments.kept[$1], $1) }
    var next = 0

    let all = try RandomAccessFile(allPath)
    func sample(_ index: Int) throws -> Sample {
      let line = fingerprints[index].line
      return try JSONDecoder().decode(Sample.self, from: Data(all.read(line.offset..<line.offset + line.count)))
    }
    var writers: [Split: (samples: JSONLinesWriter, index: FileWriter)] = [:]
    for split in Split.allCases {
      writers[split] = (try JSONLinesWriter(merged.samples(split)), try FileWriter(merged.index(split)))
    }
    let identity = SHA256()
    for index in fingerprints.indices {
      var kept = try sample(index)
      let split: Split
      switch assignments.values[index] {
      case .merged: continue
      case .dropped:
        var same = [kept]
        while next < duplicates.count, assignments.kept[duplicates[next]] == index {
          same.append(try sample(duplicates[next]))
          next += 1
        }
        let twin = try sample(assignments.kept[index]).location
        for dropped in same {
          try skips.add(Skip(dropped.location, .nearDuplicate, "looks like \(twin)"))
          summary.captions?.drop(SkipReason.nearDuplicate.rawValue, dropped.captions.count)
        }
        continue
      case .training: split = .training
      case .validation: split = .validation
      }
      if next < duplicates.count, assignments.kept[duplicates[next]] == index {
        var known = Set(kept.captions)
        while next < duplicates.count, assignments.kept[duplicates[next]] == index {
          let more = try sample(duplicates[next]).captions
          let new = more.filter { known.insert($0).inserted }
          summary.captions?.drop(CaptionCounts.repeated, more.count - new.count)
          kept.captions += new
          summary.merged += 1
          next += 1
        }
      }
      if kept.captions.count > shardCaptions {
        summary.imagesWithManyCaptions += 1
        summary.captionsBeyondShards += kept.captions.count - shardCaptions
      }
      if kept.captions.count >= DatasetSummary.placeholderLimit, kept.captions.count > summary.placeholderCaptions {
        (summary.placeholder, summary.placeholderCaptions) = (kept.location, kept.captions.count)
      }
      let line = try writers[split]!.samples.write(kept)
      var entries = 1
      if split == .training {
        entries = entriesPerEpoch(
          fingerprints[index], repeat: options.sources[kept.source].repeat * Double(kept.folderRepeats ?? 1))
        summary.training += entries
        summary.repeated += max(0, entries - 1)
        if entries > 0 { summary.trainingCaptions += kept.captions.count } else { summary.unsampled = (summary.unsampled ?? 0) + 1 }
      } else {
        summary.validation += 1
      }
      for _ in 0..<entries { try withUnsafeBytes(of: line) { try writers[split]!.index.write($0) } }
      let facts = [split.rawValue, kept.contentHash, "\(entries)"] + kept.captions
      Array((facts.joined(separator: "\0") + "\n").utf8).withUnsafeBytes(identity.update)
    }
    summary.identity = identity.finish()
    for (samples, index) in writers.values {
      try samples.finish()
      try index.finish()
    }
  }

  /// Of samples with the same image file the first is kept, unless all are to be.
  ///
  /// - Returns: different image files.
  private func mergeExactDuplicates(_ fingerprints: FileArray<Fingerprint>, _ assignments: Assignments) throws -> Int {
    let order = try FileArray<Int>(scratchIn: folder.work, count: fingerprints.count)
    for index in order.indices { order[index] = index }
    order.sort { (fingerprints[$0].contentHash, $0) < (fingerprints[$1].contentHash, $1) }
    var (first, distinct) = (order[0], 1)
    for index in order.dropFirst() {
      if fingerprints[index].contentHash != fingerprints[first].contentHash {
        (first, distinct) = (index, distinct + 1)
      } else if options.filters.duplicates != .keep {
        (assignments.values[index], assignments.kept[index]) = (.merged, first)
      }
    }
    return distinct
  }

  /// Of near duplicates the first is kept. Gradients of four times 16 bits that differ in at most three bits agree in one of the
  /// four bands, so only samples that agree in a band are compared.
  private func dropNearDuplicates(_ fingerprints: FileArray<Fingerprint>, _ assignments: Assignments) throws {
    let order = try FileArray<Int>(scratchIn: folder.work, count: assignments.values.count { $0 == .training })
    for band in UInt64(0)..<4 {
      func key(_ index: Int) -> UInt64 { fingerprints[index].signature.gradients >> (16 * band) & 0xFFFF }
      for (position, index) in assignments.values.indices.lazy.filter({ assignments.values[$0] != .merged }).enumerated() {
        order[position] = index
      }
      order.sort { (key($0), $0) < (key($1), $1) }
      var kept: [Int] = []  // samples with this key, in their order
      for index in order {
        if let first = kept.first, key(first) != key(index) { kept.removeAll(keepingCapacity: true) }
        if assignments.values[index] == .dropped { continue }
        if let twin = kept.first(where: { fingerprints[$0].signature.resembles(fingerprints[index].signature) }) {
          (assignments.values[index], assignments.kept[index]) = (.dropped, twin)
        } else {
          kept.append(index)
        }
      }
    }
  }

  /// The validation split is the samples with the smallest content hashes; samples with the same hash are never divided.
  private func chooseValidationSplit(_ fingerprints: FileArray<Fingerprint>, _ assignments: Assignments) throws {
    let hashes = try FileArray<UInt64>(scratchIn: folder.work, count: assignments.values.count { $0 == .training })
    for (position, index) in assignments.values.indices.lazy.filter({ assignments.values[$0] == .training }).enumerated() {
      hashes[position] = fingerprints[index].contentHash
    }
    hashes.sort(by: <)
    var count = min(options.validation, hashes.count / 2)
    guard count > 0 else { return }
    // Stops before samples with one hash of which only some fit; the first ones are taken all the same.
    while count > 0, hashes[count] == hashes[count - 1] { count -= 1 }
    let limit = count > 0 ? hashes[count - 1] : hashes[0]
    for index in fingerprints.indices
    where assignments.values[index] == .training && fingerprints[index].contentHash <= limit {
      assignments.values[index] = .validation
    }
  }

  /// How often an epoch has a sample: the whole part of `repeat`, and once more for a fixed share of the samples.
  private func entriesPerEpoch(_ fingerprint: Fingerprint, repeat factor: Double) -> Int {
    // The lower half of the hash, because the upper half decides the validation split.
    let share = Double(fingerprint.contentHash & 0xFFFF_FFFF) / 0x1p32
    return Int(factor) + (share < factor - factor.rounded(.down) ? 1 : 0)
  }
}
