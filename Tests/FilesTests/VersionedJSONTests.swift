import Errors
import Foundation
import Testing

@testable import Files

/// A file format with everything that ours have: nesting, a dictionary, an optional.
private struct Shape: Codable, Equatable {
  struct Inner: Codable, Equatable {
    var decay = 0.1
    var best: Double?
  }
  var layers = 3
  var inner = Inner()
  var hashes: [String: String] = [:]
  var seed: UInt64 = .max
}

@Suite final class VersionedJSONTests {
  private let path = NSTemporaryDirectory() + "versioned-\(UUID().uuidString).json"

  deinit { try? FileManager.default.removeItem(atPath: path) }

  private func read(_ text: String) throws -> Shape {
    try Data(text.utf8).write(to: URL(fileURLWithPath: path))
    return try VersionedJSON.read(Shape.self, from: path, version: 2, defaults: Shape())
  }

  private func message(_ text: String) -> String {
    do {
      _ = try read(text)
      return "no error"
    } catch { return "\(error)".replacingOccurrences(of: path, with: "FILE") }
  }

  @Test func whatIsWrittenIsReadBackToTheBit() throws {
    let shape = Shape(
      layers: .max, inner: Shape.Inner(decay: 0.1 + 0.2, best: 1e300), hashes: ["tokenizer": "a/b"], seed: .max - 1)
    try VersionedJSON.write(shape, to: path, version: 2)
    #expect(try String(contentsOfFile: path, encoding: .utf8).contains("\"formatVersion\" : 2"))
    #expect(try VersionedJSON.read(Shape.self, from: path, version: 2, defaults: Shape()) == shape)
  }

  @Test func missingKeysTakeTheirDefaults() throws {
    #expect(try read("{}") == Shape())
    #expect(try read(#"{"formatVersion": 1, "inner": {"best": 2}}"#) == Shape(inner: Shape.Inner(best: 2)))
    #expect(try read(#"{"inner": {"best": null}, "hashes": {"dVAE": "c"}}"#) == Shape(hashes: ["dVAE": "c"]))
  }

  @Test func aKeyWithoutDefaultMustBeThere() throws {
    try Data(#"{"layers": 1, "hashes": {}, "seed": 1}"#.utf8).write(to: URL(fileURLWithPath: path))
    #expect(throws: DalleError(.data, "\(path): `inner` is missing; put back a copy of the file, or make it again")) {
      try VersionedJSON.read(Shape.self, from: path, version: 1, defaults: ["layers": 2])
    }
  }

  @Test(arguments: [
    (#"{"width": 3}"#, "FILE: unknown key `width`; another version of this program wrote the file: use that version"),
    (
      #"{"inner": {"gate": 1}}"#, "FILE: unknown key `inner.gate`; another version of this program wrote the file: use that version"
    ),
    (
      #"{"formatVersion": 3, "layers": 1}"#,
      "FILE: `formatVersion` is 3, and this program reads versions 1 to 2; use the program that wrote the file"
    ),
    (
      #"{"formatVersion": "two"}"#,
      "FILE: `formatVersion` is not a whole number; put back a copy of the file, or make it again"
    ),
    ("[1, 2]", "FILE: not a JSON object; the file is damaged: put back a copy, or make it again"),
    (#"{"layers": 1"#, "FILE: not a JSON object; the file is damaged: put back a copy, or make it again"),
    ("", "FILE: not a JSON object; the file is damaged: put back a copy, or make it again"),
  ])
  func mistakesAreNamed(text: String, expected: String) { #expect(message(text) == expected) }

  @Test func aValueOfTheWrongTypeIsNamed() {
    let text = message(#"{"inner": {"decay": "much"}}"#)
    #expect(text.hasPrefix("FILE: `inner.decay` has a value that it cannot have") && text.hasSuffix("or make it again"))
  }
}
