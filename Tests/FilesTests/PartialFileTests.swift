import Errors
import Foundation
import Testing

@testable import Files

@Suite final class PartialFileTests {
  private let folder = NSTemporaryDirectory() + "partial-\(UUID().uuidString)"
  private var path: String { folder + "/a.json" }

  init() throws { try makeFolder(folder) }
  deinit { try? FileManager.default.removeItem(atPath: folder) }

  private func names() throws -> [String] { try namesInFolder(folder).sorted() }
  private func contents() throws -> String { String(decoding: try readFile(path), as: UTF8.self) }

  @Test func writersOfOneFileAtATimeDoNotDisturbEachOther() throws {
    let (first, second) = (try FileWriter(path), try FileWriter(path))
    try first.write(Array("first".utf8))
    try second.write(Array("second".utf8))
    try replaceFile(path, with: Data("third".utf8))
    #expect(try contents() == "third")
    try second.finish()
    #expect(try contents() == "second")
    try first.finish()
    #expect(try contents() == "first")
    #expect(try names() == ["a.json"])
  }

  @Test func aWriterThatGivesUpRemovesItsOwnFileAlone() throws {
    let first = try FileWriter(path)
    do { _ = try FileWriter(path) }
    #expect(try names() == ["a.json.partial"])
    try first.write(Array("first".utf8))
    try first.finish()
    #expect(try contents() == "first")
  }

  @Test func whatAKilledJobLeftIsTakenOver() throws {
    try Data("left, and longer than what is written".utf8).write(to: URL(fileURLWithPath: path + ".partial"))
    try replaceFile(path, with: Data("new".utf8))
    #expect(try contents() == "new")
    #expect(try names() == ["a.json"])
  }

  @Test func whatCannotBeOpenedIsNotRemoved() throws {
    try makeFolder(path + ".partial")
    #expect { try FileWriter(path) } throws: { ($0 as? DalleError)?.kind == .inputOutput && "\($0)".contains(self.path) }
    #expect(try names() == ["a.json.partial"])
  }

  @Test func aFileThatIsCutOffWhileItIsReadIsAnError() throws {
    try Data((0..<4).flatMap { [UInt8($0), 0, 0, 0, 0, 0, 0, 0] }).write(to: URL(fileURLWithPath: path))
    let file = try RecordFile<Int>(path)
    #expect(file.count == 4)
    #expect(try (0..<4).map(file.record) == [0, 1, 2, 3])
    truncate(path, 12)
    #expect(try file.record(0) == 0)
    #expect { try file.record(1) } throws: { "\($0)".contains("\(self.path): ends before byte 16") }
    #expect { try RecordFile<Int>(self.path) } throws: { "\($0)".contains("has 12 bytes, which is no multiple of 8") }
  }

  @Test func whatCannotBeListedOrRemovedIsNamed() {
    for body in [{ try removeAll(self.path) }, { _ = try namesInFolder(self.path) }] {
      #expect(throws: DalleError.self) { try body() }
      #expect { try body() } throws: {
        "\($0)".hasPrefix(self.path) && "\($0)".contains("No such file or directory; check the path")
      }
    }
  }
}
