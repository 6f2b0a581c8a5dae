import Kernels
import Memory

/// The parameters of an attention layer on a residual stream: `NAME.norm`, `NAME.qkv` [3d, d], `NAME.output` [d, d].
package struct AttentionParameters: Sendable {
  package let block: BlockID
  package let norm: NormParameters
  package let qkvWeight, outputWeight: Parameter
  /// Nil in the modern architecture.
  package let qkvBias, outputBias: Parameter?
  /// In the modern architecture, which also norms queries and keys.
  package let shortcuts: ShortcutParameters?

  /// Matrices are initialized as N(0, 0.125/sqrt(fan in)) (Child et al. 2019, section 6), `output` scaled by `residualScale` besides;
  /// in the modern architecture `output` begins at 0.
  ///
  /// - Parameter isFirst: whether later layers read this one's input and values.
  package init(
    _ name: String, width d: Int, residualScale: Float, _ architecture: TransformerArchitecture, isFirst: Bool,
    in table: inout ParameterTable
  ) {
    let block = table.addBlock(name)
    self.block = block
    let isModern = architecture == .modern
    func bias(_ part: String, _ count: Int) -> Parameter? {
      isModern ? nil : table.add("\(name).\(part).bias", [count], .bias, .constant(0), to: block)
    }
    norm = NormParameters("\(name).norm", width: d, architecture, to: block, in: &table)
    qkvWeight = table.add("\(name).qkv.weight", [3 * d, d], .matrix, .sparseTransformer(fanIn: d), to: block)
    qkvBias = bias("qkv", 3 * d)
    outputWeight = table.add(
      "\(name).output.weight", [d, d], .matrix, isModern ? .constant(0) : .sparseTransformer(fanIn: d, scale: residualScale),
      to: block)
    outputBias = bias("output", d)
    shortcuts = isModern ? ShortcutParameters(name, isFirst: isFirst, to: block, in: &table) : nil
  }
}

extension Initialization {
  /// N(0, 0.125/sqrt(fan in)), the initialization of Sparse Transformers (Child et al. 2019, section 6), times `scale`.
  package static func sparseTransformer(fanIn: Int, scale: Float = 1) -> Initialization {
    .normal(std: 0.125 / Float(fanIn).squareRoot() * scale)
  }
}

/// `x + W_output · attention(W_qkv · norm(x))` on a residual stream, with any pattern. n = samples · pattern length, d = width.
///
/// In the modern architecture x has a share of the first layer's input, values have a share of the first layer's, and each head's queries
/// and keys are normed.
package struct AttentionLayer<Element: Scalar> {
  /// What the backward pass needs besides the input.
  package struct Saved {
    let norm: NormStatistics
    let qkv: MatrixView<Element>  // [n, 3d]
    let attended: MatrixView<Element>  // [n, d]
    let logSums: Vector  // [heads · n]
    /// What queries and keys were multiplied by, each [heads · n]; empty in the published architecture.
    let headFactors: (queries: Vector, keys: Vector)

    package init(rows n: Int, width d: Int, heads: Int, _ architecture: TransformerArchitecture, in space: inout Space) {
      qkv = space.matrix(rows: n, columns: 3 * d, of: Element.self)
      attended = space.matrix(rows: n, columns: d, of: Element.self)
      logSums = space.vector(heads * n)
      let count = architecture == .modern ? heads * n : 0
      headFactors = (space.vector(count), space.vector(count))
      norm = NormStatistics(rows: n, in: &space)
    }

    private init(
      _ norm: NormStatistics, _ qkv: MatrixView<Element>, _ attended: MatrixView<Element>, _ logSums: Vector,
      _ headFactors: (queries: Vector, keys: Vector)
    ) {
      (self.norm, self.qkv, self.attended, self.logSums, self.headFactors) = (norm, qkv, attended, logSums, headFactors)
    }

    func first(_ n: Int, heads: Int) -> Saved {
      Saved(norm.first(n), qkv.rows(0..<n), attended.rows(0..<n), logSums[0..<heads * n], headFactors)
    }
  }

  package let parameters: AttentionParameters
  package let pattern: AttentionPattern
  package let heads: Int

  package init(_ parameters: AttentionParameters, pattern: AttentionPattern, heads: Int) {
    (self.parameters, self.pattern, self.heads) = (parameters, pattern, heads)
  }

  /// y = the layer's output for x, both [n, d]; y may be x.
  ///
  /// - Parameter shortcuts: in the modern architecture; x then takes its share of the first layer's input.
  package func forward(
    _ x: Matrix, _ w: BlockValues, saved: Saved, scratch: TransformerScratch<Element>, shortcuts: Shortcuts<Element>?,
    dropout: Dropout?, into y: Matrix
  ) {
    let saved = saved.first(x.rows, heads: heads)
    begin(x, w, shortcuts)
    attend(x, w, saved, scratch, shortcuts)
    w.addLinear(
      saved.attended, parameters.outputWeight, bias: parameters.outputBias, to: x, into: y, dropout: dropout, scratch: scratch)
  }

  /// Turns `dStream`, the gradient of the output, into that of x, and adds to the parameters' gradients.
  ///
  /// - Parameters:
  ///   - x: as `forward` left it.
  ///   - dropout: that of the forward pass.
  ///   - recomputes: `saved` has another layer's values and is computed again, to the same bits.
  package func backward(
    _ x: Matrix, _ w: BlockValues, _ g: BlockValues, saved: Saved, scratch: TransformerScratch<Element>,
    shortcuts: Shortcuts<Element>?, dropout: Dropout?, dStream: Matrix, recomputes: Bool
  ) {
    let p = parameters
    let saved = saved.first(x.rows, heads: heads)
    let work = scratch.backward(x.rows)
    let normed = scratch.normed.rows(0..<x.rows)
    if recomputes {
      attend(x, w, saved, scratch, shortcuts)
    } else {
      p.norm.again(x, w, saved: saved.norm, into: normed)
    }
    let dBranch = dropout?.backward(dStream, into: work.dNormed) ?? dStream
    let dy = Element.rounded(dBranch.vector, into: work.dStream).matrix(rows: x.rows, columns: x.columns)
    let dQKV = MatrixView(scratch.wide.base, rows: x.rows, columns: 3 * x.columns)
    matmul(dy, saved.attended, transposing: .first, into: g.matrix(p.outputWeight), .accumulate)
    if let bias = p.outputBias { biasBackward(dBranch, addingTo: g[bias]) }
    matmul(dy, w.operand(p.outputWeight), into: work.dAttended)
    pattern.backward(
      work.dAttended, saved.qkv, output: saved.attended, logSums: saved.logSums, heads: heads, into: dQKV,
      scratch: scratch.attention!)
    if let shared = p.shortcuts {
      let (dQueries, dKeys, dValues) = Self.parts(dQKV)
      let (queries, keys, _) = Self.parts(saved.qkv)
      headNormBackward(dQueries, queries, heads: heads, length: headLength(x), factors: saved.headFactors.queries)
      headNormBackward(dKeys, keys, heads: heads, length: headLength(x), factors: saved.headFactors.keys)
      shortcuts!.first(x.rows).mixBackward(dValues, shared, w, g)
    }
    matmul(dQKV, normed, transposing: .first, into: g.matrix(p.qkvWeight), .accumulate)
    if let bias = p.qkvBias { biasBackward(dQKV, addingTo: g[bias]) }
    matmul(dQKV, w.operand(p.qkvWeight), into: work.dNormed)
    p.norm.backward(work.dNormed, x, w, g, saved: saved.norm, addingTo: dStream)
    if let shared = p.shortcuts { shortcuts!.first(x.rows).addStreamBackward(dStream, shared, w, g) }
  }

  /// The prefix of a group of a cache, in place: x is [prefix, d]. Each position attends to those up to its own.
  package func prefill(
    _ x: Matrix, _ w: BlockValues, group: Int, cache: KVCache<Element>, attention: CachedAttention<Element>, saved: Saved,
    scratch: TransformerScratch<Element>, shortcuts: Shortcuts<Element>?
  ) {
    let saved = saved.first(x.rows, heads: heads)
    begin(x, w, shortcuts)
    qkv(x, w, saved, scratch, shortcuts)
    let (query, key, value) = Self.parts(saved.qkv)
    cache.setPrefix(of: group, keys: key, values: value)
    attention.text(query, keys: cache.prefixKeys[group], values: cache.prefixValues[group], into: saved.attended)
    w.addLinear(saved.attended, parameters.outputWeight, bias: parameters.outputBias, to: x, into: x, scratch: scratch)
  }

  /// One position after the prefix for all rows of a cache, in place: x is [rows, d].
  package func step(
    _ x: Matrix, _ w: BlockValues, position: Int, cache: KVCache<Element>, attention: CachedAttention<Element>, saved: Saved,
    scratch: TransformerScratch<Element>, shortcuts: Shortcuts<Element>?
  ) {
    let saved = saved.first(x.rows, heads: heads)
    begin(x, w, shortcuts)
    qkv(x, w, saved, scratch, shortcuts)
    let (query, key, value) = Self.parts(saved.qkv)
    for row in 0..<x.rows {
      let slot = row * cache.window + position % cache.window
      cache.keys.row(slot).copy(from: key.row(row))
      cache.values.row(slot).copy(from: value.row(row))
    }
    let visible = cache.visible[position].map { $0 % cache.window }
    for (group, rows) in cache.groups.enumerated() {
      let slots = rows.lowerBound * cache.window..<rows.upperBound * cache.window
      attention.step(
        query.rows(rows), textKeys: cache.prefixKeys[group], textValues: cache.prefixValues[group],
        imageKeys: cache.keys.rows(slots), imageValues: cache.values.rows(slots), visible: visible,
        into: saved.attended.rows(rows))
    }
    w.addLinear(saved.attended, parameters.outputWeight, bias: parameters.outputBias, to: x, into: x, scratch: scratch)
  }

  /// In the modern architecture gives x its share of the first layer's input.
  private func begin(_ x: Matrix, _ w: BlockValues, _ shortcuts: Shortcuts<Element>?) {
    if let shared = parameters.shortcuts { shortcuts!.first(x.rows).addStream(to: x, shared, w) }
  }

  private func qkv(
    _ x: Matrix, _ w: BlockValues, _ saved: Saved, _ scratch: TransformerScratch<Element>, _ shortcuts: Shortcuts<Element>?
  ) {
    let normed = scratch.normed.rows(0..<x.rows)
    parameters.norm.forward(x, w, saved: saved.norm, into: normed)
    w.linear(normed, parameters.qkvWeight, bias: parameters.qkvBias, into: saved.qkv)
    guard let shared = parameters.shortcuts else { return }
    let (queries, keys, values) = Self.parts(saved.qkv)
    headNorm(queries, heads: heads, length: headLength(x), factors: saved.headFactors.queries)
    headNorm(keys, heads: heads, length: headLength(x), factors: saved.headFactors.keys)
    shortcuts!.first(x.rows).mix(values, shared, w)
  }

  /// Root mean square of normed queries and keys, with which scores are 12 times the cosine of their angle: enough for one key of
  /// thousands to have nearly all the weight. Scores without a bound can make training diverge.
  private func headLength(_ x: Matrix) -> Float { (12 / Float(x.columns / heads).squareRoot()).squareRoot() }

  private func attend(
    _ x: Matrix, _ w: BlockValues, _ saved: Saved, _ scratch: TransformerScratch<Element>, _ shortcuts: Shortcuts<Element>?
  ) {
    qkv(x, w, saved, scratch, shortcuts)
    pattern.forward(
      saved.qkv, heads: heads, into: saved.attended, logSums: saved.logSums, scratch: scratch.attention!)
  }

  /// Queries, keys and values of some rows, each [rows, d].
  private static func parts(
    _ qkv: MatrixView<Element>
  ) -> (query: MatrixView<Element>, key: MatrixView<Element>, value: MatrixView<Element>) {
    let d = qkv.columns / 3
    return (qkv.columns(0..<d), qkv.columns(d..<2 * d), qkv.columns(2 * d..<3 * d))
  }
}
