import Errors

/// Which of the newest updates were skipped because loss or gradient was not finite. Too many mean that a training has diverged: it
/// would end with weights that learned nothing.
struct SkippedUpdates {
  /// Updates that are looked back on.
  static let window = 100

  private var newest: [Bool] = []

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
