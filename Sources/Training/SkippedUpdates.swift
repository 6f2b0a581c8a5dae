/// Which of the newest updates were skipped because loss or gradient was not finite. Too many mean that a training has diverged: it
/// would end with weights that learned nothing. Part of a checkpoint.
package struct SkippedUpdates: Codable, Sendable, Equatable {
  /// Updates that are looked back on.
  static let window = 100

  private var newest: [Bool] = []

  package init() {}

  /// One character per update, the newest last: `x` was skipped, `.` was applied.
  package init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    let text = try container.decode(String.self)
    guard text.count <= Self.window, text.allSatisfy({ $0 == "." || $0 == "x" }) else {
      throw DecodingError.dataCorruptedError(
        in: container, debugDescription: "it must have at most \(Self.window) characters `.` and `x`")
    }
    newest = text.map { $0 == "x" }
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(String(newest.map { $0 ? "x" : "." }))
  }

  mutating func add(isSkipped: Bool) {
    newest.append(isSkipped)
    if newest.count > Self.window { newest.removeFirst() }
  }

  /// Whether more were skipped than `most` of the window; in a training that ends before the window is full, as large a share.
  func areTooMany(most: Int, isFinished: Bool) -> Bool {
    let skipped = newest.count(where: \.self)
    return skipped > most || (isFinished && skipped * Self.window > most * newest.count)
  }

  /// "21 of the last 22 updates".
  var text: String { "\(newest.count(where: \.self)) of the last \(newest.count) updates" }
}
