import Layers

/// Settings of PowerSGD: section `parallel.powersgd`.
package struct PowerSGDConfig: Codable, Sendable, Equatable {
  /// What is not compressed.
  package enum Exempt: String, Codable, Sendable, CaseIterable {
    /// Embeddings, heads, norms and biases.
    case published
    /// Norms and biases.
    case vectors
  }
  package var exempt = Exempt.published
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

  /// The rank of a piece's factors; nil if it is sent as it is.
  func rank(of piece: Partition.Piece) -> Int? {
    let isCompressed =
      switch piece.parameter.role {
      case .matrix: true
      case .embedding, .head: exempt == .vectors
      case .normWeight, .bias: false
      }
    return isCompressed ? rank(rows: piece.rows.count, columns: piece.parameter.valuesPerRow) : nil
  }

  /// - Parameter warmupSteps: of the learning rate.
  package func firstStep(warmupSteps: Int) -> Int { startStep > 0 ? startStep : warmupSteps }
}
