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

  @Test func linksThatLeadToNothingAreNamed() throws {
    let folder = NSTemporaryDirectory() + "links-\(UUID().uuidString)"
    try makeFolder(folder)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    for (name, target) in [("one", "two"), ("two", "gone"), ("loop", "loop"), ("disk", "/none/disk"), ("whole", ".")] {
      try FileManager.default.createSymbolicLink(atPath: "\(folder)/\(name)", withDestinationPath: target)
    }
    #expect(brokenLink(in: "\(folder)/whole/whole") == nil && brokenLink(in: "\(folder)/whole/none") == nil)
    #expect(brokenLink(in: "\(folder)/one") == "\(folder)/one is a link to \(folder)/gone, which does not exist")
    #expect(brokenLink(in: "\(folder)/loop") == "\(folder)/loop is a link that leads back to itself")
    #expect(brokenLink(in: "\(folder)/disk/a/b.png") == "\(folder)/disk is a link to /none/disk, which does not exist")
    #expect {
      try readFile("\(folder)/two")
    } throws: {
      "\($0)"
        == "\(folder)/two: cannot be opened: No such file or directory; \(folder)/two is a link to \(folder)/gone, which does not "
        + "exist: correct the link, or restore what it leads to"
    }
    #expect {
      try makeFolder("\(folder)/disk")
    } throws: {
      ($0 as? DalleError)?.kind == .noInput && "\($0)".contains("is a link to /none/disk, which does not exist")
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
