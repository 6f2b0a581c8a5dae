/// Takes every event of a short training, and of a long one so many that their number does not grow with its length: the first one in
/// each of `parts` equal parts of the steps, and that of the last step.
struct Thinning {
  private let parts: Int
  private let steps: Int
  /// The part in which the newest event was taken, from 1.
  private var last: Int

  /// - Parameters:
  ///   - steps: of the whole training.
  ///   - done: steps done at the beginning; what came in their part is taken as done, too.
  init(parts: Int, steps: Int, done: Int) {
    (self.parts, self.steps) = (parts, max(1, steps))
    last = 0
    last = part(done)
  }

  /// Whether to take an event that comes after `step` steps. Steps do not go down.
  mutating func takes(_ step: Int) -> Bool {
    let part = part(step)
    defer { last = part }
    return part > last || step >= steps
  }

  private func part(_ step: Int) -> Int { (step * parts + steps - 1) / steps }
}
