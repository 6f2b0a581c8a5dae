import Errors
import Files
import Foundation
import Images

/// The last step of collecting: finds duplicates, holds samples out, applies weights, writes the dataset's files.
struct DatasetMerge {
  private let folder: DatasetFolder
  private let options: DatasetOptions
  private let units: Int

  init(_ folder: DatasetFolder, options: DatasetOptions, units: Int) {
    (self.folder, self.options, self.units) = (folder, options, units)
  }

  /// What finding duplicates needs of a sample.
  private struct Facts: BitwiseCopyable {
    var content: UInt64
    var look: ImageSignature
    var line: LineLocation
  }

  /// What becomes of a sample.
  private enum Fate: UInt8, BitwiseCopyable {
    case training
    case validation
    /// The same picture as an earlier one, which gets its captions.
    case merged
    /// Looks like an earlier one.
    case dropped
  }

  /// The fate of every sample, and for those that give way the number of the one that stays.
  private struct Fates {
    let kind: FileArray<Fate>
    let other: FileArray<Int>
  }

  func write() throws -> DatasetSummary {
    var summary = DatasetSummary(options: options)
    let skips = try SkipList(folder.skipped)

    // Every sample in one file, with its facts in another.
    let allPath = folder.work + "/all.jsonl"
    let factsPath = folder.work + "/facts"
    let all = try JSONLinesWriter(allPath)
    let factsFile = try FileWriter(factsPath)
    for unit in 0..<units {
      try forEachLine(folder.examined(unit)) { (item: Examined) in
        switch item {
        case .skipped(let skip): try skips.add(skip)
        case .copies(let path, let byteCount): summary.copies[path] = byteCount
        case .sample(let sample):
          let facts = Facts(
            content: UInt64(sample.content, radix: 16) ?? 0, look: sample.look, line: try all.write(sample))
          try withUnsafeBytes(of: facts) { try factsFile.write($0) }
        }
      }
    }
    try all.finish()
    try factsFile.finish()
    let facts = try FileArray<Facts>(factsPath)
    guard facts.count >= 2 else {
      try skips.finish()
      let most = skips.counts.max { ($0.value, $1.key) < ($1.value, $0.key) }
      let reason = most.map { "; \($0.value) were skipped for: \($0.key), see \(folder.skipped)" } ?? ""
      throw DalleError(
        .data,
        "\(options.sources.map(\.path).joined(separator: ", ")): \(facts.count) usable samples, at least 2 are needed\(reason); add images with captions, or loosen the filters"
      )
    }

    let fates = Fates(
      kind: try FileArray(scratchIn: folder.work, count: facts.count),
      other: try FileArray(scratchIn: folder.work, count: facts.count))
    if options.filters.duplicates != .keep { try findSameContent(facts, fates) }
    if options.filters.duplicates == .near { try findSameLook(facts, fates) }
    try holdOut(facts, fates)
    try writeSamples(facts, fates, allPath, &summary, skips)
    try skips.finish()
    (summary.skipped, summary.skippedParts) = (skips.counts, skips.partCounts)
    guard summary.training > 0 else {

      throw DalleError(
        .data,
        "\(folder.path): sampling weights and the validation split leave no sample to train on; raise the weights, or lower the number of validation samples"
      )

    }
    try replaceFile(folder.summary, with: JSON.pretty(summary))
    return summary
  }

  private func writeSamples(
    _ facts: FileArray<Facts>, _ fates: Fates, _ allPath: String, _ summary: inout DatasetSummary, _ skips: SkipList
  ) throws {
    // Samples whose captions go elsewhere, in the order of those that get them.
    let merged = try FileArray<Int>(scratchIn: folder.work, count: fates.kind.count { $0 == .merged })
    for (place, index) in fates.kind.indices.lazy.filter({ fates.kind[$0] == .merged }).enumerated() { merged[place] = index }
    merged.sort { (fates.other[$0], $0) < (fates.other[$1], $1) }
    var next = 0

    let all = try RandomAccessFile(allPath)
    func sample(_ index: Int) throws -> Sample {
      let line = facts[index].line
      return try JSONDecoder().decode(Sample.self, from: Data(all.read(line.offset..<line.offset + line.count)))
    }
    var writers: [Split: (samples: JSONLinesWriter, index: FileWriter)] = [:]
    for split in Split.allCases {
      writers[split] = (try JSONLinesWriter(folder.samples(split)), try FileWriter(folder.index(split)))
    }
    for index in facts.indices {
      var kept = try sample(index)
      let split: Split
      switch fates.kind[index] {
      case .merged: continue
      case .dropped:
        try skips.add(Skip(kept.place, .nearDuplicate, "looks like \(sample(fates.other[index]).place)"))
        continue
      case .training: split = .training
      case .validation: split = .validation
      }
      while next < merged.count, fates.other[merged[next]] == index {
        kept.captions += try sample(merged[next]).captions.filter { !kept.captions.contains($0) }
        summary.merged += 1
        next += 1
      }
      let line = try writers[split]!.samples.write(kept)
      var copies = 1
      if split == .training {
        copies = self.copies(of: facts[index], weight: options.sources[kept.source].weight)
        summary.training += copies
        summary.repeated += max(0, copies - 1)
        if copies > 0 { summary.trainingCaptions += kept.captions.count }
      } else {
        summary.validation += 1
      }
      for _ in 0..<copies { try withUnsafeBytes(of: line) { try writers[split]!.index.write($0) } }
    }
    for (samples, index) in writers.values {
      try samples.finish()
      try index.finish()
    }
  }

  /// Of samples with the same picture file the first stays.
  private func findSameContent(_ facts: FileArray<Facts>, _ fates: Fates) throws {
    let order = try FileArray<Int>(scratchIn: folder.work, count: facts.count)
    for index in order.indices { order[index] = index }
    order.sort { (facts[$0].content, $0) < (facts[$1].content, $1) }
    var first = order[0]
    for index in order.dropFirst() {
      if facts[index].content == facts[first].content {
        (fates.kind[index], fates.other[index]) = (.merged, first)
      } else {
        first = index
      }
    }
  }

  /// Of samples that look the same the first stays. Gradients of four times 16 bits that differ in at most three bits agree in
  /// one of the four, so only samples that agree there are compared.
  private func findSameLook(_ facts: FileArray<Facts>, _ fates: Fates) throws {
    let order = try FileArray<Int>(scratchIn: folder.work, count: fates.kind.count { $0 == .training })
    for band in UInt64(0)..<4 {
      func key(_ index: Int) -> UInt64 { facts[index].look.gradients >> (16 * band) & 0xFFFF }
      for (place, index) in fates.kind.indices.lazy.filter({ fates.kind[$0] != .merged }).enumerated() { order[place] = index }
      order.sort { (key($0), $0) < (key($1), $1) }
      var staying: [Int] = []  // of those with this key, in their order
      for index in order {
        if let other = staying.first, key(other) != key(index) { staying.removeAll(keepingCapacity: true) }
        if fates.kind[index] == .dropped { continue }
        if let twin = staying.first(where: { facts[$0].look.resembles(facts[index].look) }) {
          (fates.kind[index], fates.other[index]) = (.dropped, twin)
        } else {
          staying.append(index)
        }
      }
    }
  }

  /// Holds out the samples with the smallest content hashes; pictures with the same hash stay together.
  private func holdOut(_ facts: FileArray<Facts>, _ fates: Fates) throws {
    let hashes = try FileArray<UInt64>(scratchIn: folder.work, count: fates.kind.count { $0 == .training })
    for (place, index) in fates.kind.indices.lazy.filter({ fates.kind[$0] == .training }).enumerated() {
      hashes[place] = facts[index].content
    }
    hashes.sort(by: <)
    guard hashes.first != hashes.last else {
      throw DalleError(
        .data,
        "\(options.sources.map(\.path).joined(separator: ", ")): its \(facts.count) usable samples show 1 distinct image, at least 2 are "
          + "needed; add other images with captions")
    }
    let count = min(options.validation, hashes.count / 2)
    guard count > 0 else { return }
    let limit = hashes[count - 1]
    for index in facts.indices where fates.kind[index] == .training && facts[index].content <= limit {
      fates.kind[index] = .validation
    }
  }

  /// How often a sample is seen in an epoch: the weight's whole part, and once more for a fixed share of the samples.
  private func copies(of facts: Facts, weight: Double) -> Int {
    // The lower half of the hash: the upper decides what is held out.
    let place = Double(facts.content & 0xFFFF_FFFF) / 0x1p32
    return Int(weight) + (place < weight - weight.rounded(.down) ? 1 : 0)
  }
}
