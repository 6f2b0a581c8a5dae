import Foundation
import Images
import Testing

@testable import Training

@Suite struct ManifestTests {
  private func manifest(_ lines: [String]) throws -> String {
    let folder = NSTemporaryDirectory() + "manifest-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try lines.joined(separator: "\n").write(toFile: folder + "/captions.jsonl", atomically: true, encoding: .utf8)
    return folder + "/captions.jsonl"
  }

  private func line(_ number: Int) -> String { #"{"image": "p\#(number).png", "caption": "picture \#(number)"}"# }

  @Test func samplesAreSplitByTheirNames() throws {
    let source = try ManifestSource(path: manifest((0..<100).map(line)), validation: 10)
    #expect(source.count(.training) == 90 && source.count(.validation) == 10)
    let held = Set((0..<10).map { source.caption($0, .validation) })
    #expect(held.isDisjoint(with: (0..<90).map { source.caption($0, .training) }))
    // More lines move a sample only where a new one takes its place.
    let more = try ManifestSource(path: manifest((0..<103).reversed().map(line)), validation: 10)
    #expect(held.intersection((0..<10).map { more.caption($0, .validation) }).count >= 7)
    #expect(try ManifestSource(path: manifest((0..<5).map(line)), validation: 10).count(.validation) == 2)
  }

  @Test func badLinesAreSkippedByName() throws {
    let path = try manifest([line(1), "nonsense", "", #"{"image": "a.png", "caption": "  "}"#, line(2), #"{"image": 3}"#])
    let source = try ManifestSource(path: path, validation: 1)
    #expect(source.count(.training) + source.count(.validation) == 2)
    #expect(source.skipped.map { $0.replacingOccurrences(of: path, with: "M") } == [
      "M:2: not a JSON object with `image` and `caption`", "M:4: the caption is empty",
      "M:6: not a JSON object with `image` and `caption`",
    ])
    #expect(throws: ConfigError.self) { try ManifestSource(path: manifest([line(1)]), validation: 1) }
  }

  @Test func badPicturesArePassedOver() throws {
    let path = try manifest((0..<30).map(line))
    let folder = (path as NSString).deletingLastPathComponent
    let source = try ManifestSource(path: path, validation: 1)
    var warnings: [String] = []
    #expect(throws: ConfigError.self) { try source.readable(0, .training) { warnings.append($0) } }
    #expect(warnings.count == 10 && warnings[0].hasPrefix(folder))
    try Picture(width: 3, height: 2, (1, 2, 3)).write(to: folder + "/" + source.name(4, .training))
    warnings = []
    #expect(try source.readable(1, .training) { warnings.append($0) }.width == 3)
    #expect(warnings.count == 3)
  }
}
