import Layers

/// Settings of PowerSGD: section `parallel.powersgd`.
package struct PowerSGDConfig: Codable, Sendable, Equatable {
  /// Share of the bytes of matrices that is saved.
  package var compression = 0.85
  /// Rank of every piece's factors; 0 for the largest that `compression` allows.
  package var rank = 0
  /// Whether a step begins with the Q of the step before, instead of random numbers.
  package var warmStart = false
  /// The first step whose gradients are compressed; 0 for the first after the warm-up.
  package var startStep = 0

  package init() {}

  /// The rank of the factors of a matrix; nil where they would have as many numbers as the matrix, or more.
  func rank(rows: Int, columns: Int) -> Int? {
    let most = Double(rows) * Double(columns) / Double(rows + columns)
    let rank = rank > 0 ? rank : max(1, Int((1 - compression) * most))
    return Double(rank) < most ? rank : nil
  }

  /// - Parameter warmupSteps: of the learning rate.
  package func firstStep(warmupSteps: Int) -> Int { startStep > 0 ? startStep : warmupSteps }
}

extension Partition.Piece {
  /// The rank of the piece's factors; nil if it is sent as it is: as published, everything but matrices (embeddings, heads, norms and
  /// biases), and what compression would not make smaller.
  func rank(_ rank: (_ rows: Int, _ columns: Int) -> Int?) -> Int? {
    parameter.role == .matrix ? rank(rows.count, parameter.valuesPerRow) : nil
  }
}
