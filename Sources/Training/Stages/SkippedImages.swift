import Foundation

/// Pictures and captions that cannot be used: each is said once, and listed in a file of the run's logs.
public final class SkippedImages: @unchecked Sendable {
  // Safe to share: everything that changes is guarded by `lock`.
  private let lock = NSLock()
  private let path: String
  private var known: Set<String> = []

  public init(path: String) { self.path = path }

  public func add(_ reason: String) {
    lock.lock()
    defer { lock.unlock() }
    guard known.insert(reason).inserted else { return }
    let line = Data((reason + "\n").utf8)
    if !FileManager.default.fileExists(atPath: path) { _ = FileManager.default.createFile(atPath: path, contents: nil) }
    if let file = FileHandle(forWritingAtPath: path) {
      file.seekToEndOfFile()
      file.write(line)
    }
    try? FileHandle.standardError.write(contentsOf: Data("skipped: ".utf8) + line)
  }
}
