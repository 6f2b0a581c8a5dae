/// Which validation of a training was the best, and how many came after it: small data is learned by heart, and the model is better
/// before that (early stopping, Prechelt 1998). Part of a checkpoint.
package struct EarlyStopping: Codable, Sendable, Equatable {
  /// The step of the best validation so far, and of the newest; 0 before the first.
  package private(set) var bestStep = 0
  package private(set) var validatedStep = 0
  package private(set) var bestLoss: Double?
  /// Validations after the best.
  private var worse = 0

  package init() {}

  /// Takes a validation's loss; one that is not finite is worse than any.
  package mutating func observe(_ loss: Double, step: Int) {
    validatedStep = step
    if loss.isFinite, bestLoss.map({ loss < $0 }) ?? true {
      (bestStep, bestLoss, worse) = (step, loss, 0)
    } else {
      worse += 1
    }
  }

  /// - Parameter patience: validations in a row without a new best loss that end a training; 0 for none.
  package func endsTraining(patience: Int) -> Bool { patience > 0 && worse >= patience }
}
