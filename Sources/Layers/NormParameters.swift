import Kernels
import Memory

/// The norm of a residual stream of `width` values: a layer norm with `NAME.weight` and `NAME.bias`, initialized as 1 and 0, or in the
/// modern architecture an RMS norm, which has no parameters.
package struct NormParameters: Sendable {
  /// Nil for an RMS norm.
  private let affine: (weight: Parameter, bias: Parameter)?

  package init(
    _ name: String, width: Int, _ architecture: TransformerArchitecture, to block: BlockID, in table: inout ParameterTable
  ) {
    switch architecture {
    case .published:
      affine = (
        table.add("\(name).weight", [width], .normWeight, .constant(1), to: block),
        table.add("\(name).bias", [width], .bias, .constant(0), to: block)
      )
    case .modern: affine = nil
    }
  }

  /// y = the norm of each row of x; leaves the rows' statistics in `saved`.
  package func forward<Element: Scalar>(_ x: Matrix, _ w: BlockValues, saved: NormStatistics, into y: MatrixView<Element>) {
    if let (weight, bias) = affine {
      layerNorm(x, weight: w[weight], bias: w[bias], into: y, mean: saved.mean, rstd: saved.factors)
    } else {
      rmsNorm(x, into: y, factors: saved.factors)
    }
  }

  /// The same again from saved statistics: the same bits.
  package func again<Element: Scalar>(_ x: Matrix, _ w: BlockValues, saved: NormStatistics, into y: MatrixView<Element>) {
    if let (weight, bias) = affine {
      layerNormAgain(x, weight: w[weight], bias: w[bias], mean: saved.mean, rstd: saved.factors, into: y)
    } else {
      rmsNormAgain(x, factors: saved.factors, into: y)
    }
  }

  /// Adds to `dx` and to the parameters' gradients.
  package func backward(
    _ dy: Matrix, _ x: Matrix, _ w: BlockValues, _ g: BlockValues, saved: NormStatistics, addingTo dx: Matrix
  ) {
    if let (weight, bias) = affine {
      layerNormBackward(
        dy, x, weight: w[weight], mean: saved.mean, rstd: saved.factors, addingTo: dx, dWeight: g[weight], dBias: g[bias])
    } else {
      rmsNormBackward(dy, x, factors: saved.factors, addingTo: dx)
    }
  }
}

/// What a norm keeps of each row for its backward pass, `[n]`.
package struct NormStatistics {
  /// Of layer norms alone.
  let mean: Vector
  /// 1 / standard deviation, or 1 / root mean square.
  let factors: Vector

  package init(rows n: Int, in space: inout Space) { (mean, factors) = (space.vector(n), space.vector(n)) }
  private init(mean: Vector, factors: Vector) { (self.mean, self.factors) = (mean, factors) }

  /// Those of the first `n` rows.
  package func first(_ n: Int) -> NormStatistics { NormStatistics(mean: mean[0..<n], factors: factors[0..<n]) }
}
