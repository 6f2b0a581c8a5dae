import Kernels
import Memory

/// The parameters of an MLP layer on a residual stream: `NAME.norm`, `NAME.up` [4d, d], `NAME.down` [d, 4d].
package struct MLPParameters: Sendable {
  package let block: BlockID
  package let norm: NormParameters
  package let upWeight, downWeight: Parameter
  /// Nil in the modern architecture.
  package let upBias, downBias: Parameter?
  package let architecture: TransformerArchitecture

  /// Matrices are initialized as N(0, 0.125/sqrt(fan in)) (Child et al. 2019, section 6), `down` scaled by `residualScale` besides;
  /// in the modern architecture `down` begins at 0.
  package init(
    _ name: String, width d: Int, residualScale: Float, _ architecture: TransformerArchitecture, in table: inout ParameterTable
  ) {
    block = table.addBlock(name)
    self.architecture = architecture
    norm = NormParameters("\(name).norm", width: d, architecture, to: block, in: &table)
    let (isModern, block) = (architecture == .modern, block)
    func bias(_ part: String, _ count: Int) -> Parameter? {
      isModern ? nil : table.add("\(name).\(part).bias", [count], .bias, .constant(0), to: block)
    }
    upWeight = table.add("\(name).up.weight", [4 * d, d], .matrix, .sparseTransformer(fanIn: d), to: block)
    upBias = bias("up", 4 * d)
    downWeight = table.add(
      "\(name).down.weight", [d, 4 * d], .matrix,
      isModern ? .constant(0) : .sparseTransformer(fanIn: 4 * d, scale: residualScale), to: block)
    downBias = bias("down", d)
  }
}

/// `x + W_down · activation(W_up · norm(x))` for each row of a residual stream; the activation is quick GELU, or squared ReLU. A cached step is `forward` in place.
package struct MLPLayer<Element: Scalar> {
  /// What the backward pass needs besides the input.
  package struct Saved {
    let norm: NormStatistics
    let up: MatrixView<Element>  // [n, 4d], before the activation

    package init(rows n: Int, width d: Int, in space: inout Space) {
      up = space.matrix(rows: n, columns: 4 * d, of: Element.self)
      norm = NormStatistics(rows: n, in: &space)
    }

    private init(_ norm: NormStatistics, _ up: MatrixView<Element>) { (self.norm, self.up) = (norm, up) }

    func first(_ n: Int) -> Saved { Saved(norm.first(n), up.rows(0..<n)) }
  }

  package let parameters: MLPParameters

  package init(_ parameters: MLPParameters) { self.parameters = parameters }

  /// y = the layer's output for x, both [n, d]; y may be x.
  package func forward(
    _ x: Matrix, _ w: BlockValues, saved: Saved, scratch: TransformerScratch<Element>, dropout: Dropout? = nil, into y: Matrix
  ) {
    let saved = saved.first(x.rows)
    let activated = scratch.wide.rows(0..<x.rows)
    up(x, w, saved, scratch)
    switch parameters.architecture {
    case .published: quickGELU(saved.up.vector, into: activated.vector)
    case .modern: squaredReLU(saved.up.vector, into: activated.vector)
    }
    w.addLinear(activated, parameters.downWeight, bias: parameters.downBias, to: x, into: y, dropout: dropout, scratch: scratch)
  }

  /// Turns `dStream`, the gradient of the output, into that of x, and adds to the parameters' gradients.
  ///
  /// - Parameters:
  ///   - dropout: that of the forward pass.
  ///   - recomputes: `saved` has another layer's values and is computed again, to the same bits.
  package func backward(
    _ x: Matrix, _ w: BlockValues, _ g: BlockValues, saved: Saved, scratch: TransformerScratch<Element>, dropout: Dropout?,
    dStream: Matrix, recomputes: Bool
  ) {
    let p = parameters
    let saved = saved.first(x.rows)
    let work = scratch.backward(x.rows)
    let (normed, activated) = (scratch.normed.rows(0..<x.rows), scratch.wide.rows(0..<x.rows))
    if recomputes {
      up(x, w, saved, scratch)
    } else {
      p.norm.again(x, w, saved: saved.norm, into: normed)
    }
    let dBranch = dropout?.backward(dStream, into: work.dNormed) ?? dStream
    let dy = Element.rounded(dBranch.vector, into: work.dStream).matrix(rows: x.rows, columns: x.columns)
    matmul(dy, w.operand(p.downWeight), into: work.dUp)
    if let bias = p.upBias {
      quickGELUBackward(work.dUp, saved.up, again: activated, addingTo: g[bias])
    } else {
      squaredReLUBackward(work.dUp.vector, saved.up.vector, again: activated.vector)
    }
    matmul(dy, activated, transposing: .first, into: g.matrix(p.downWeight), .accumulate)
    if let bias = p.downBias { biasBackward(dBranch, addingTo: g[bias]) }
    matmul(work.dUp, normed, transposing: .first, into: g.matrix(p.upWeight), .accumulate)
    matmul(work.dUp, w.operand(p.upWeight), into: work.dNormed)
    p.norm.backward(work.dNormed, x, w, g, saved: saved.norm, addingTo: dStream)
  }

  private func up(_ x: Matrix, _ w: BlockValues, _ saved: Saved, _ scratch: TransformerScratch<Element>) {
    let normed = scratch.normed.rows(0..<x.rows)
    parameters.norm.forward(x, w, saved: saved.norm, into: normed)
    w.linear(normed, parameters.upWeight, bias: parameters.upBias, into: saved.up)
  }
}
