import Foundation

/// A key that does something.
enum Key: Equatable, Sendable {
  case quit
  case suspend
  case up
  case down
  case pageUp
  case pageDown
  case home
  case end
  case warnings
}

/// Keys in the bytes that a terminal sends.
enum Keys {
  private static let sequences: [(bytes: String, key: Key)] = [
    ("\u{1B}[A", .up), ("\u{1B}OA", .up), ("\u{1B}[B", .down), ("\u{1B}OB", .down), ("\u{1B}[5~", .pageUp),
    ("\u{1B}[6~", .pageDown),
    ("\u{1B}[H", .home), ("\u{1B}OH", .home), ("\u{1B}[1~", .home), ("\u{1B}[F", .end), ("\u{1B}OF", .end), ("\u{1B}[4~", .end),
    ("q", .quit), ("Q", .quit), ("\u{03}", .quit), ("\u{1C}", .quit), ("\u{1A}", .suspend), ("k", .up), ("j", .down),
    (" ", .pageDown), ("b", .pageUp), ("g", .home), ("G", .end), ("w", .warnings), ("\t", .warnings),
  ]

  /// Takes the keys out of `bytes`; the beginning of a sequence whose rest has not arrived stays.
  static func take(from bytes: inout [UInt8]) -> [Key] {
    var keys: [Key] = []
    while !bytes.isEmpty {
      if let (text, key) = sequences.first(where: { bytes.starts(with: $0.bytes.utf8) }) {
        keys.append(key)
        bytes.removeFirst(text.utf8.count)
      } else if bytes[0] == 0x1B, let count = unknownSequence(bytes) {
        bytes.removeFirst(count)
      } else if bytes[0] == 0x1B, bytes.count < 16 {
        break
      } else {
        bytes.removeFirst()
      }
    }
    return keys
  }

  /// Bytes of a whole sequence that means nothing here, which ends with a letter or `~`; nil if it is not whole.
  private static func unknownSequence(_ bytes: [UInt8]) -> Int? {
    guard bytes.count > 1 else { return nil }
    if bytes[1] == UInt8(ascii: "[") { return bytes.dropFirst(2).firstIndex { (0x40...0x7E).contains($0) }.map { $0 + 1 } }
    if bytes[1] == UInt8(ascii: "O") { return bytes.count > 2 ? 3 : nil }
    return 1
  }
}
