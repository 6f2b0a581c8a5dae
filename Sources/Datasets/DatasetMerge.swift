import Errors
import Files
import Foundation
import Images

/// The last step of collecting: merges duplicates, chooses the validation split, repeats samples, writes the dataset's files.
struct DatasetMerge {
  private let folder: DatasetFolder
  private let options: DatasetOptions
  private let workItemCount: Int

  init(_ folder: DatasetFolder, options: DatasetOptions, workItemCount: Int) {
    (self.folder, self.options, self.workItemCount) = (folder, options, workItemCount)
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

  /// - Throws: `DalleError` if fewer than two samples are usable, or none is left to train on.
  func write() throws -> DatasetSummary {
    var summary = DatasetSummary(options: options)
    let skips = try SkipList(folder.skipped)

    // All samples go into one file, their fingerprints into another.
    let allPath = folder.work + "/all.jsonl"
    let fingerprintsPath = folder.work + "/fingerprints"
    let all = try JSONLinesWriter(allPath)
    let fingerprintsFile = try FileWriter(fingerprintsPath)
    for workItem in 0..<workItemCount {
      try forEachLine(folder.validated(workItem)) { (entry: ValidatedEntry) in
        switch entry {
        case .skipped(let skip): try skips.add(skip)
        case .copies(let path, let byteCount): summary.copies[path] = byteCount
        case .sample(let sample):
          let fingerprint = Fingerprint(
            contentHash: UInt64(sample.contentHash, radix: 16) ?? 0, signature: sample.signature, line: try all.write(sample))
          try withUnsafeBytes(of: fingerprint) { try fingerprintsFile.write($0) }
        }
      }
    }
    try all.finish()
    try fingerprintsFile.finish()
    let fingerprints = try FileArray<Fingerprint>(fingerprintsPath)
    guard fingerprints.count >= 2 else {
      try skips.finish()
      let most = skips.counts.max { ($0.value, $1.key) < ($1.value, $0.key) }
      let reason = most.map { ", skipped \($0.value): \($0.key) (see \(folder.skipped))" } ?? ""
      throw DalleError(
        .data,
        "\(options.sources.map(\.path).joined(separator: ", ")): \(fingerprints.count) usable samples (at least 2)\(reason); add images with captions, or loosen the filters"
      )
    }

    let assignments = Assignments(
      values: try FileArray(scratchIn: folder.work, count: fingerprints.count),
      kept: try FileArray(scratchIn: folder.work, count: fingerprints.count))
    if options.filters.duplicates != .keep { try mergeExactDuplicates(fingerprints, assignments) }
    if options.filters.duplicates == .near { try dropNearDuplicates(fingerprints, assignments) }
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
    try replaceFile(folder.summary, with: JSON.pretty(summary))
    return summary
  }

  private func writeSamples(
    _ fingerprints: FileArray<Fingerprint>, _ assignments: Assignments, _ allPath: String, _ summary: inout DatasetSummary,
    _ skips: SkipList
  ) throws {
    // Merged samples, in the order of the samples that get their captions.
    let merged = try FileArray<Int>(scratchIn: folder.work, count: assignments.values.count { $0 == .merged })
    for (position, index) in assignments.values.indices.lazy.filter({ assignments.values[$0] == .merged }).enumerated() {
      merged[position] = index
    }
    merged.sort { (assignments.kept[$0], $0) < (assignments.kept[$1], $1) }
    var next = 0

    let all = try RandomAccessFile(allPath)
    func sample(_ index: Int) throws -> Sample {
      let line = fingerprints[index].line
      return try JSONDecoder().decode(Sample.self, from: Data(all.read(line.offset..<line.offset + line.count)))
    }
    var writers: [Split: (samples: JSONLinesWriter, index: FileWriter)] = [:]
    for split in Split.allCases {
      writers[split] = (try JSONLinesWriter(folder.samples(split)), try FileWriter(folder.index(split)))
    }
    for index in fingerprints.indices {
      var kept = try sample(index)
      let split: Split
      switch assignments.values[index] {
      case .merged: continue
      case .dropped:
        try skips.add(Skip(kept.location, .nearDuplicate, "looks like \(sample(assignments.kept[index]).location)"))
        continue
      case .training: split = .training
      case .validation: split = .validation
      }
      while next < merged.count, assignments.kept[merged[next]] == index {
        kept.captions += try sample(merged[next]).captions.filter { !kept.captions.contains($0) }
        summary.merged += 1
        next += 1
      }
      let line = try writers[split]!.samples.write(kept)
      var entries = 1
      if split == .training {
        entries = entriesPerEpoch(fingerprints[index], repeat: options.sources[kept.source].repeat)
        summary.training += entries
        summary.repeated += max(0, entries - 1)
        if entries > 0 { summary.trainingCaptions += kept.captions.count }
      } else {
        summary.validation += 1
      }
      for _ in 0..<entries { try withUnsafeBytes(of: line) { try writers[split]!.index.write($0) } }
    }
    for (samples, index) in writers.values {
      try samples.finish()
      try index.finish()
    }
  }

  /// Of samples with the same image file the first is kept.
  private func mergeExactDuplicates(_ fingerprints: FileArray<Fingerprint>, _ assignments: Assignments) throws {
    let order = try FileArray<Int>(scratchIn: folder.work, count: fingerprints.count)
    for index in order.indices { order[index] = index }
    order.sort { (fingerprints[$0].contentHash, $0) < (fingerprints[$1].contentHash, $1) }
    var first = order[0]
    for index in order.dropFirst() {
      if fingerprints[index].contentHash == fingerprints[first].contentHash {
        (assignments.values[index], assignments.kept[index]) = (.merged, first)
      } else {
        first = index
      }
    }
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
    let count = min(options.validation, hashes.count / 2)
    guard count > 0 else { return }
    let limit = hashes[count - 1]
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
