import Foundation
import FuzzTargets
import TestSupport
import Testing

/// Parses every input that once trapped, hung or took too much memory. A finding that occurs again ends the test run.
@Test(.timeLimit(.minutes(10)), arguments: FuzzTarget.allCases) func findingsStayMended(_ target: FuzzTarget) throws {
  let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("Fuzz/findings/\(target.rawValue)")
  let file = FuzzFile()
  for name in (try? FileManager.default.contentsOfDirectory(atPath: folder.path))?.sorted() ?? [] {
    target.feed(try Data(contentsOf: folder.appendingPathComponent(name)), file)
  }
}

/// A fuzzer that starts from invalid inputs finds little.
@Test(arguments: FuzzTarget.allCases) func seedsAreAccepted(_ target: FuzzTarget) throws {
  let file = FuzzFile()
  let taken = try FuzzSeeds.of(target).map { target.feed($0, file) }
  // One configuration has unknown keys, for the aliases in it.
  #expect(taken.count { !$0 } == (target == .config ? 1 : 0))
}

/// Seeds with random changes, the same ones at every run: what `Tests/Fuzz/run` finds in minutes needs its own build, the first faults
/// of a new parser do not. `DALLE_MUTATIONS` in the environment sets the number of inputs per target.
@Test(arguments: FuzzTarget.allCases) func changedSeedsNeverTrap(_ target: FuzzTarget) throws {
  let count = ProcessInfo.processInfo.environment["DALLE_MUTATIONS"].flatMap(Int.init) ?? 100
  let seeds = try FuzzSeeds.of(target)
  let file = FuzzFile()
  var random = SeededRandom(seed: 7)
  for _ in 0..<(seeds.isEmpty ? 0 : count) {
    var bytes = seeds.randomElement(using: &random)!
    for _ in 0..<Int.random(in: 1...6, using: &random) { random.change(&bytes) }
    target.feed(bytes, file)
  }
}

extension SeededRandom {
  private static let words = [
    "\"", "\\", "{", "}", "[", "]", ",", ";", "|", "\t", "\n", "\r", "\0", "#0", "&#", "<", "../", "\\ud800", "9223372036854775807",
    "-1",
    "1e400", "null", "\u{FEFF}", ".txt\t", ".png\t=1\n",
  ]

  fileprivate mutating func change(_ bytes: inout Data) {
    bytes = Data(bytes)  // its indices begin at 0
    let place = Int.random(in: 0...bytes.count, using: &self)
    let part = place..<min(bytes.count, place + Int.random(in: 1...16, using: &self))
    switch Int.random(in: 0..<5, using: &self) {
    case 0: if place < bytes.count { bytes[place] = UInt8.random(in: 0...255, using: &self) }
    case 1: bytes.removeSubrange(part)
    case 2: bytes.insert(contentsOf: bytes[part], at: Int.random(in: 0...bytes.count, using: &self))
    case 3: bytes.insert(contentsOf: Self.words.randomElement(using: &self)!.utf8, at: place)
    default: bytes = bytes.prefix(place)
    }
  }
}
