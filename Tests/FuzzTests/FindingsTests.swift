import Foundation
import FuzzTargets
import Testing

/// Parses every input that once trapped, hung or took too much memory. A finding that occurs again ends the test run.
@Test(.timeLimit(.minutes(1)), arguments: FuzzTarget.allCases) func findingsStayMended(_ target: FuzzTarget) throws {
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
