/// How the layers of a transformer are built.
package enum TransformerArchitecture: String, Codable, Sendable, CaseIterable {
  /// The published system's: layer norms, biases, quick GELU (paper B.1).
  case published
  /// What later work uses at no more computation: RMS norms, normed queries and keys, squared ReLU, no biases, output
  /// projections that begin at 0, and shortcuts of the first layer's input and values to every later one.
  case modern
}
