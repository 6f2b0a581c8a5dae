import Foundation
import Random

/// The endless, shuffled stream of a shard set's samples. Position `p` of the stream depends on the seed alone, so any
/// number of ranks reads disjoint parts of the same order, and a run resumes at any position.
///
/// Each epoch shuffles the frames, and the samples within windows of consecutive shuffled frames. For each position one of the
/// sample's captions is chosen at random.
package final class ShardSampler: @unchecked Sendable {
  // Safe to share: everything that changes is guarded by `lock`.
  private let lock = NSLock()
  private let set: ShardSet
  private let seed: UInt64
  private let windowFrames: Int
  private let frames: [(shard: Int, frame: Int, samples: Int)]
  private let count: Int
  private var epoch: Epoch?
  private var cache: [Int: ShardFrame] = [:]
  private var cached: [Int] = []  // keys of `cache`, oldest first

  /// Purpose of the random stream, so that no other use shares its numbers.
  private static let captionChoice: UInt64 = 0x6361_7074

  /// One epoch's order of frames, and the offset of each window.
  private struct Epoch {
    let number: Int
    let order: [Int]
    let windowStarts: [Int]
  }

  package init(_ set: ShardSet, seed: UInt64, windowFrames: Int = 64) {
    self.set = set
    self.seed = seed
    self.windowFrames = windowFrames
    frames = set.shards.enumerated().flatMap { index, shard in
      (0..<shard.frameCount).map { (index, $0, shard.header.samples(inFrame: $0)) }
    }
    count = set.samples
  }

  /// The samples at positions `range` of the stream, each with one caption.
  package func pairs(_ range: Range<Int>) throws -> [TokenPair] {
    lock.lock()
    defer { lock.unlock() }
    return try range.map(pair)
  }

  private func pair(_ position: Int) throws -> TokenPair {
    let (epochNumber, offset) = position.quotientAndRemainder(dividingBy: count)
    let epoch = order(of: epochNumber)
    // The last window that starts at or before the offset. Windows are few.
    let window = epoch.windowStarts.lastIndex { $0 <= offset }!
    let start = epoch.windowStarts[window]
    let members = epoch.order[window * windowFrames..<min((window + 1) * windowFrames, epoch.order.count)]
    let size = members.reduce(0) { $0 + frames[$1].samples }
    var number = Shuffle(count: size, seed: seed, stream: UInt64(epoch.number) << 32 | UInt64(window) << 1 | 1)[offset - start]
    for frame in members {
      if number < frames[frame].samples {
        return try self.frame(frame).pair(number) { captions in
          if captions == 1 { return 0 }
          var random = RandomStream(seed: seed, Self.captionChoice, UInt64(position))
          return random.integer(in: 0..<captions)
        }
      }
      number -= frames[frame].samples
    }
    preconditionFailure("sample \(number) of a window with \(size) samples")
  }

  private func order(of number: Int) -> Epoch {
    if let epoch, epoch.number == number { return epoch }
    let shuffle = Shuffle(count: frames.count, seed: seed, stream: UInt64(number) << 32)
    let order = frames.indices.map { shuffle[$0] }
    var starts: [Int] = []
    var total = 0
    for (index, frame) in order.enumerated() {
      if index % windowFrames == 0 { starts.append(total) }
      total += frames[frame].samples
    }
    let made = Epoch(number: number, order: order, windowStarts: starts)
    epoch = made
    return made
  }

  private func frame(_ index: Int) throws -> ShardFrame {
    if let frame = cache[index] { return frame }
    let frame = try set.shards[frames[index].shard].frame(frames[index].frame)
    // Room for this window and the next: a batch across their border then reads no frame twice.
    if cached.count >= 2 * windowFrames { cache[cached.removeFirst()] = nil }
    cache[index] = frame
    cached.append(index)
    return frame
  }
}
