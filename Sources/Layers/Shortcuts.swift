import Kernels
import Memory

/// What an attention layer of the modern architecture adds of the first layer's: to its input the first one's, and to its values the
/// first one's (value residual, Zhou et al. 2024), each times a learned factor.
package struct ShortcutParameters: Sendable {
  /// [1]: `NAME.stream_factor` and `NAME.value_factor`; nil in the first layer, from which they come.
  let factors: (stream: Parameter, values: Parameter)?

  init(_ name: String, isFirst: Bool, to block: BlockID, in table: inout ParameterTable) {
    factors =
      isFirst
      ? nil
      : (
        table.add("\(name).stream_factor", [1], .normWeight, .constant(0.1), to: block),
        table.add("\(name).value_factor", [1], .normWeight, .constant(0.5), to: block)
      )
  }
}

/// The first layer's input and values, which later layers of the modern architecture read, and their gradients. n = rows, d = width.
package struct Shortcuts<Element: Scalar> {
  /// The residual stream before the first layer, [n, d].
  let stream: Matrix
  /// The first layer's values, [n, d].
  let values: MatrixView<Element>
  /// Sums over the layers that read them, [n, d].
  let gradients: (stream: Matrix, values: Matrix)?

  /// - Parameter stream: the residual stream before the first layer, where it stays; nil for a copy of it, which `begin` takes.
  package init(rows n: Int, width d: Int, stream: Matrix?, training: Bool, in space: inout Space) {
    self.stream = stream ?? space.matrix(rows: n, columns: d)
    values = space.matrix(rows: n, columns: d, of: Element.self)
    gradients = training ? (space.matrix(rows: n, columns: d), space.matrix(rows: n, columns: d)) : nil
  }

  private init(_ stream: Matrix, _ values: MatrixView<Element>, _ gradients: (stream: Matrix, values: Matrix)?) {
    (self.stream, self.values, self.gradients) = (stream, values, gradients)
  }

  /// Those of the first `n` rows.
  package func first(_ n: Int) -> Shortcuts {
    Shortcuts(
      stream.rows(0..<n), values.rows(0..<n), gradients.map { ($0.stream.rows(0..<n), $0.values.rows(0..<n)) })
  }

  /// Takes the residual stream before the first layer, for passes that write over it.
  package func begin(_ x: Matrix) { stream.vector.copy(from: x.vector) }

  /// Before a backward pass.
  package func clearGradients() {
    gradients?.stream.vector.fill(0)
    gradients?.values.vector.fill(0)
  }

  /// After all layers: what they give back to the first one's input.
  package func addStreamGradient(to dStream: Matrix) {
    if let gradients { add(gradients.stream.vector, to: dStream.vector) }
  }

  // MARK: For layers

  /// x += factor · the first layer's input.
  func addStream(to x: Matrix, _ p: ShortcutParameters, _ w: BlockValues) {
    if let factor = p.factors?.stream { addScaled(stream, by: w[factor][0], to: x) }
  }

  /// In the first layer takes its values; in others adds them, times a factor.
  func mix(_ values: MatrixView<Element>, _ p: ShortcutParameters, _ w: BlockValues) {
    if let factor = p.factors?.values {
      addScaled(self.values, by: w[factor][0], to: values)
    } else {
      for row in 0..<values.rows { self.values.row(row).copy(from: values.row(row)) }
    }
  }

  /// Backward of `mix`.
  func mixBackward(_ dValues: MatrixView<Element>, _ p: ShortcutParameters, _ w: BlockValues, _ g: BlockValues) {
    guard let gradients else { preconditionFailure("these shortcuts were laid out without gradients") }
    if let factor = p.factors?.values {
      g[factor][0] += innerProduct(dValues, values)
      addScaled(dValues, by: w[factor][0], to: gradients.values)
    } else {
      addScaled(gradients.values, by: 1, to: dValues)
    }
  }

  /// Backward of `addStream`.
  func addStreamBackward(_ dx: Matrix, _ p: ShortcutParameters, _ w: BlockValues, _ g: BlockValues) {
    guard let gradients else { preconditionFailure("these shortcuts were laid out without gradients") }
    guard let factor = p.factors?.stream else { return }
    g[factor][0] += innerProduct(dx, stream)
    addScaled(dx, by: w[factor][0], to: gradients.stream)
  }
}
