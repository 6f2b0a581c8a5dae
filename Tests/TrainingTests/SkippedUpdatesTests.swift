import Files
import Foundation
import Testing

@testable import Training

@Suite struct SkippedUpdatesTests {
  @Test func skippedUpdatesEndATrainingThatHasDiverged() {
    func isDiverged(_ skips: [Bool], isFinished: Bool = false) -> Bool {
      var updates = SkippedUpdates()
      for isSkipped in skips { updates.add(isSkipped: isSkipped) }
      return updates.areTooMany(most: 20, isFinished: isFinished)
    }
    #expect(!isDiverged(Array(repeating: true, count: 20)))
    #expect(isDiverged(Array(repeating: true, count: 21)))
    // Every fifth for ever; every fourth.
    #expect(!isDiverged((0..<1000).map { $0 % 5 == 0 }) && isDiverged((0..<1000).map { $0 % 4 == 0 }))
    // Those that were skipped long ago do not count.
    #expect(!isDiverged(Array(repeating: true, count: 20) + Array(repeating: false, count: 80) + [true]))
    // A training of ten updates.
    #expect(isDiverged((0..<10).map { $0 > 6 }, isFinished: true) && !isDiverged((0..<10).map { $0 > 7 }, isFinished: true))
  }

  /// A run that resumes still knows which of its updates were skipped; checkpoints of older versions have no skipped updates.
  @Test func skippedUpdatesArePartOfACheckpoint() throws {
    let folder = NSTemporaryDirectory() + "state-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    var state = try TrainingState(RunConfig(), ranks: 2, inputs: [:])
    for index in 0..<150 { state.skipped.add(isSkipped: index % 5 == 0) }
    let path = "\(folder)/state.json"
    func read() throws -> TrainingState {
      try VersionedJSON.read(TrainingState.self, from: path, version: 1, defaults: TrainingState.Defaults())
    }
    try VersionedJSON.write(state, to: path, version: 1)
    var restored = try read()
    #expect(restored.skipped == state.skipped && restored.skipped.text == "20 of the last 100 updates")
    restored.skipped.add(isSkipped: false)  // the oldest, which was skipped, is forgotten
    restored.skipped.add(isSkipped: true)
    #expect(!restored.skipped.areTooMany(most: 20, isFinished: false))
    restored.skipped.add(isSkipped: true)
    #expect(restored.skipped.areTooMany(most: 20, isFinished: false))

    let text = try String(contentsOfFile: path, encoding: .utf8)
    let line = try #require(text.split(separator: "\n").first { $0.contains("\"skipped\"") })
    try text.replacingOccurrences(of: line, with: "").write(toFile: path, atomically: true, encoding: .utf8)
    #expect(try read().skipped == SkippedUpdates())
    try text.replacingOccurrences(of: "x....x", with: "x..?.x").write(toFile: path, atomically: true, encoding: .utf8)
    #expect { try read() } throws: { "\($0)".contains("`skipped`") }
  }
}
