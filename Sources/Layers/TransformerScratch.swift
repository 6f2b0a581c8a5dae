import Kernels
import Memory

/// Memory that attention and MLP layers use during a call, shared by all blocks of a model. n = rows, d = width.
package struct TransformerScratch<Element: Scalar> {
  /// Normed input of the layer at hand, [n, d].
  package let normed: MatrixView<Element>
  /// [n, 4d]: MLP activation, or the gradient of qkv.
  let wide: MatrixView<Element>
  /// What the backward pass needs besides; nil in memory for forward passes alone.
  let gradients: Gradients?
  let attention: AttentionScratch<Element>?

  struct Gradients {
    /// The gradient of the stream as a GEMM operand, n · d; empty in fp32, which is its own operand.
    let dStream: VectorView<Element>
    let dNormed: Matrix  // [n, d]
    let dAttended: MatrixView<Element>  // [n, d]
    let dUp: MatrixView<Element>  // [n, 4d]
  }

  /// - Parameters:
  ///   - patterns: of the attention layers that compute all positions at once; none for cached steps.
  ///   - training: also memory for backward passes.
  package init(
    rows n: Int, width d: Int, headSize: Int, patterns: [AttentionPattern], training: Bool, in space: inout Space
  ) {
    normed = space.matrix(rows: n, columns: d, of: Element.self)
    wide = space.matrix(rows: n, columns: 4 * d, of: Element.self)
    gradients =
      training
      ? Gradients(
        dStream: space.vector(Element.self == Float.self ? 0 : n * d, of: Element.self),
        dNormed: space.matrix(rows: n, columns: d), dAttended: space.matrix(rows: n, columns: d, of: Element.self),
        dUp: space.matrix(rows: n, columns: 4 * d, of: Element.self))
      : nil
    attention = patterns.isEmpty ? nil : AttentionScratch(&space, patterns: patterns, headSize: headSize)
  }

  /// The gradient of the normed input, [n, d], for layers that norm their input themselves.
  package var dNormed: Matrix {
    guard let gradients else { preconditionFailure("this scratch was laid out without gradients") }
    return gradients.dNormed
  }

  /// What a backward pass over `n` rows writes.
  func backward(_ n: Int) -> Gradients {
    guard let all = gradients else { preconditionFailure("this scratch was laid out without gradients") }
    return Gradients(
      dStream: all.dStream, dNormed: all.dNormed.rows(0..<n), dAttended: all.dAttended.rows(0..<n), dUp: all.dUp.rows(0..<n))
  }
}

extension BlockValues {
  /// y = x + a · weightᵀ (+ bias): what a layer adds to the residual stream, or what dropout leaves of it. y may be x.
  func addLinear<Element: Scalar>(
    _ a: MatrixView<Element>, _ weight: Parameter, bias: Parameter?, to x: Matrix, into y: Matrix, dropout: Dropout? = nil,
    scratch: TransformerScratch<Element>
  ) {
    if let dropout {
      let branch = scratch.dNormed.rows(0..<x.rows)
      linear(a, weight, bias: bias, into: branch)
      dropout.add(branch, to: x, into: y)
    } else if y.base == x.base {
      linear(a, weight, bias: bias, into: y, .accumulate)
    } else {
      linear(a, weight, bias: bias, into: y, residual: x)
    }
  }
}
