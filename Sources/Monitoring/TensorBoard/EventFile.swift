import Errors
import Files
import Foundation

/// A file of TensorBoard events, to which records are appended.
final class EventFile {
  private static let prefix = "events.out.tfevents."
  /// Of a time in seconds until the year 2286.
  private static let digits = 10
  /// Bytes that are kept until they are written together.
  private static let mostPending = 1 << 20

  private let path: String
  private let descriptor: Int32
  private var pending: [UInt8] = []

  /// Makes a new file, and the folder where it is missing. TensorBoard reads the files of a folder in the order of their names and forgets
  /// what earlier ones have for steps from `step`.
  ///
  /// - Throws: `DalleError` of kind `inputOutput`.
  init(folder: String, step: Int) throws {
    try makeFolder(folder)
    let time = Date().timeIntervalSince1970
    let newest = try namesInFolder(folder).compactMap(Self.time(ofName:)).max() ?? 0
    // After the newest file, whatever the clock of this host says. A name has when it was made and where.
    let number = zeroPadded(max(Int(time), newest + 1), digits: Self.digits)
    path = "\(folder)/\(Self.prefix)\(number).\(ProcessInfo.processInfo.hostName)"
    descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw DalleError.file(path, "cannot be created") }
    try append(EventMessage.version(time: time) + EventMessage.start(time: time, step: step))
  }

  deinit { close(descriptor) }

  /// Appends records; they are in the file after `flush`.
  func append(_ bytes: [UInt8]) throws {
    pending += bytes
    if pending.count >= Self.mostPending { try flush() }
  }

  func flush() throws {
    defer { pending.removeAll(keepingCapacity: true) }
    try pending.withUnsafeBytes { try writeAll($0, to: descriptor, path) }
  }

  private static func time(ofName name: String) -> Int? {
    guard name.hasPrefix(prefix) else { return nil }
    let text = name.dropFirst(prefix.count).prefix { $0 != "." }
    return text.count == digits ? Int(text) : nil
  }
}
