import Errors
import Foundation
import Images
import Synchronization
import Testing

@testable import Generation

@Suite struct ImageFolderTests {
  private func inFolder(_ body: (String) throws -> Void) throws {
    let path = NSTemporaryDirectory() + "images-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: path) }
    try body(path)
  }

  private func image(_ value: UInt8) -> Image {
    Image(width: 8, height: 8, pixels: [UInt8](repeating: value, count: 8 * 8 * 3))
  }

  @Test func laterCallsNumberOn() throws {
    try inFolder { path in
      let first = try ImageFolder(path)
      #expect(try first.add([image(1), image(2)]) == ["\(path)/01-01.png", "\(path)/01-02.png"])
      #expect(try first.add(grid: image(3)) == ["\(path)/grid.png"])
      let before = try Data(contentsOf: URL(fileURLWithPath: "\(path)/01-01.png"))

      let second = try ImageFolder(path)
      #expect(try second.add([image(4)]) == ["\(path)/02-01.png"])
      #expect(try second.add(grid: image(5)) == ["\(path)/grid-02.png"])
      #expect(try second.add(grid: image(6)) == ["\(path)/grid-03.png"])
      #expect(try Data(contentsOf: URL(fileURLWithPath: "\(path)/01-01.png")) == before)
    }
  }

  /// A prompt whose first image was moved away keeps its number.
  @Test func numbersOfWhatIsLeftAreNotTaken() throws {
    try inFolder { path in
      let folder = try ImageFolder(path)
      _ = try folder.add([image(1), image(2)])
      try FileManager.default.removeItem(atPath: "\(path)/01-01.png")
      #expect(try folder.add([image(3), image(4)]) == ["\(path)/02-01.png", "\(path)/02-02.png"])
    }
  }

  @Test func callsAtOnceLoseNoImage() throws {
    try inFolder { path in
      // Threads of Dispatch belong to no test: what they throw is collected.
      let errors = Mutex<[String]>([])
      DispatchQueue.concurrentPerform(iterations: 8) { caller in
        do {
          let folder = try ImageFolder(path)
          for _ in 0..<4 { _ = try folder.add([image(UInt8(caller)), image(UInt8(caller))]) }
          _ = try folder.add(grid: image(UInt8(caller)))
        } catch { errors.withLock { $0.append("\(error)") } }
      }
      #expect(errors.withLock { $0 } == [])
      let names = try FileManager.default.contentsOfDirectory(atPath: path)
      #expect(names.filter { $0.hasPrefix("grid") }.count == 8)
      // Each caller has four prompts, and both images of a prompt are the same caller's.
      let prompts = names.filter { $0.hasSuffix("-01.png") && !$0.hasPrefix("grid") }
      #expect(prompts.count == 32)
      #expect(names.count == 8 + 64)
      for name in prompts {
        let partner = name.replacingOccurrences(of: "-01.png", with: "-02.png")
        #expect(
          try Data(contentsOf: URL(fileURLWithPath: "\(path)/\(name)"))
            == Data(contentsOf: URL(fileURLWithPath: "\(path)/\(partner)")))
      }
    }
  }

  @Test func scoresAreNumberedWithTheirGrid() throws {
    try inFolder { path in
      let folder = try ImageFolder(path)
      #expect(try folder.add(grid: image(1), scores: Data("1".utf8)) == ["\(path)/grid.png", "\(path)/scores.json"])
      #expect(try folder.add(grid: image(2)) == ["\(path)/grid-02.png"])
      // A file of either name keeps its number from being used.
      try Data("3".utf8).write(to: URL(fileURLWithPath: "\(path)/scores-03.json"))
      #expect(try folder.add(grid: image(4), scores: Data("4".utf8)) == ["\(path)/grid-04.png", "\(path)/scores-04.json"])
      #expect(try FileManager.default.contentsOfDirectory(atPath: path).count == 6)
      #expect(try Data(contentsOf: URL(fileURLWithPath: "\(path)/scores.json")) == Data("1".utf8))
    }
  }

  /// Before anything is generated, and leaving nothing behind.
  @Test func aFolderThatTakesNoFilesIsRefused() throws {
    // Files cannot be made here, even by root.
    let error = #expect(throws: DalleError.self) { try ImageFolder("/proc/self") }
    #expect(
      error?.description.hasPrefix("/proc/self: files cannot be created in this folder: ") == true, "\(String(describing: error))")
    try inFolder { path in
      _ = try ImageFolder(path)
      #expect(try FileManager.default.contentsOfDirectory(atPath: path) == [])
    }
  }

  @Test func aFolderThatCannotBeMadeIsRefused() throws {
    try inFolder { path in
      try Data().write(to: URL(fileURLWithPath: path))
      for (folder, reason) in [(path, "is a file"), ("\(path)/images", "a part of this path is a file")] {
        let error = #expect(throws: DalleError.self) { try ImageFolder(folder) }
        #expect(error?.kind == .usage && error!.description.hasPrefix("\(folder): \(reason)"), "\(String(describing: error))")
      }
    }
  }
}
