import Kernels
import Memory

/// The weight and bias of a layer norm over `width` values, `NAME.weight` and `NAME.bias`, initialized as 1 and 0.
package struct LayerNormParameters: Sendable {
  package let weight, bias: Parameter

  package init(_ name: String, width: Int, to block: BlockID, in table: inout ParameterTable) {
    weight = table.add("\(name).weight", [width], .normWeight, .constant(1), to: block)
    bias = table.add("\(name).bias", [width], .bias, .constant(0), to: block)
  }

  /// y = the norm of each row of x; leaves the rows' statistics in `saved`.
  package func forward<Element: Scalar>(_ x: Matrix, _ w: BlockValues, saved: LayerNormStatistics, into y: MatrixView<Element>) {
    layerNorm(x, weight: w[weight], bias: w[bias], into: y, mean: saved.mean, rstd: saved.rstd)
  }

  /// The same again from saved statistics: the same bits.
  package func again<Element: Scalar>(_ x: Matrix, _ w: BlockValues, saved: LayerNormStatistics, into y: MatrixView<Element>) {
    layerNormAgain(x, weight: w[weight], bias: w[bias], mean: saved.mean, rstd: saved.rstd, into: y)
  }

  /// Adds to `dx` and to the parameters' gradients.
  package func backward(
    _ dy: Matrix, _ x: Matrix, _ w: BlockValues, _ g: BlockValues, saved: LayerNormStatistics, addingTo dx: Matrix
  ) {
    layerNormBackward(
      dy, x, weight: w[weight], mean: saved.mean, rstd: saved.rstd, addingTo: dx, dWeight: g[weight], dBias: g[bias])
  }
}

/// Mean and 1 / standard deviation of each row, `[n]`, which a layer norm keeps for its backward pass.
package struct LayerNormStatistics {
  package let mean, rstd: Vector

  package init(rows n: Int, in space: inout Space) { (mean, rstd) = (space.vector(n), space.vector(n)) }
  private init(mean: Vector, rstd: Vector) { (self.mean, self.rstd) = (mean, rstd) }

  /// Those of the first `n` rows.
  package func first(_ n: Int) -> LayerNormStatistics { LayerNormStatistics(mean: mean[0..<n], rstd: rstd[0..<n]) }
}
