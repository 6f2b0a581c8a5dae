import Errors
import Files
import Foundation
import Testing

@Suite struct FileErrorTests {
  /// Foundation's own text is not for users.
  @Test func foundationsErrorsHaveTheSystemsReason() {
    let path = NSTemporaryDirectory() + "missing-\(UUID().uuidString)"
    do {
      _ = try FileManager.default.contentsOfDirectory(atPath: path)
      Issue.record("a folder that does not exist was listed")
    } catch {
      #expect(
        DalleError.file(path, "cannot be listed", error)
          == DalleError(.noInput, "\(path): cannot be listed: No such file or directory; check the path"))
    }
  }

  @Test func aFileWhereAFolderIsNeededIsWrongUsage() throws {
    let path = NSTemporaryDirectory() + "file-\(UUID().uuidString)"
    try Data().write(to: URL(fileURLWithPath: path))
    defer { try? FileManager.default.removeItem(atPath: path) }
    #expect(throws: DalleError(.usage, "\(path): is a file, and a folder is needed here; name another folder")) {
      try makeFolder(path)
    }
    #expect(throws: DalleError(.usage, "\(path)/a: a part of this path is a file, not a folder; name another folder")) {
      try makeFolder("\(path)/a")
    }
  }
}
