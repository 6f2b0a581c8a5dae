import Kernels
import Layers
import Memory

/// The transformer one image position at a time, with the keys and values of earlier positions kept: what drawing needs.
/// Gives the logits of a full forward pass.
///
/// Every caption is read once; `rowsPerCaption` pictures are drawn for it side by side.
public final class CachedTransformer<Element: Scalar> {
  public let config: TransformerConfig
  /// Pictures drawn side by side: `rowsPerCaption` for the first caption, then as many for the next.
  public let rows: Int
  private let rowsPerCaption: Int
  private let parameters: TransformerParameters
  private let source: any ParameterStore
  /// Image positions that each position sees, by layer.
  private let visible: [[[Int]]]
  private let kept: [Kept]
  private let attention: CachedAttention<Element>
  private let work: Work
  private let arena: Arena

  /// What a layer keeps. Of image positions only the last that its pattern reaches: position p lies at p mod `reach`.
  private struct Kept {
    let reach: Int
    let textKeys, textValues: MatrixView<Element>  // [captions · text length, d]
    let imageKeys, imageValues: MatrixView<Element>  // [rows · reach, d]
  }

  private struct Work {
    let stream: Matrix  // [n, d]
    let normed, attended: MatrixView<Element>  // [n, d]
    let qkv: MatrixView<Element>  // [n, 3d]
    let up: MatrixView<Element>  // [n, 4d]
    let means, deviations: Vector  // [n]
    let logits: Matrix  // [rows, image vocabulary]
  }

  /// Reads the captions: tokens, at most `textLength` each; an empty caption is all padding. The source must keep weights in
  /// `Element`.
  public init(
    _ config: TransformerConfig, captions: [[Int32]], rowsPerCaption: Int, source: any ParameterStore
  ) throws {
    precondition(captions.allSatisfy { $0.count <= config.textLength }, "a caption is longer than \(config.textLength)")
    precondition(!captions.isEmpty && rowsPerCaption > 0, "nothing to draw")
    try config.validate()
    self.config = config
    self.source = source
    self.rowsPerCaption = rowsPerCaption
    rows = captions.count * rowsPerCaption
    var table = ParameterTable()
    parameters = TransformerParameters(config, &table)
    let patterns = Transformer.patterns(config)
    var byKind: [AttentionKind: [[Int]]] = [:]
    for pattern in patterns where byKind[pattern.kind] == nil {
      byKind[pattern.kind] = (0..<config.imageLength).map(pattern.imageKeys)
    }
    visible = patterns.map { byKind[$0.kind]! }

    let (d, textRows, rows) = (config.width, captions.count * config.textLength, rows)
    let most = max(textRows, rows)
    let longest = visible.flatMap { $0.map(\.count) }.max()!
    (arena, (kept, work, attention)) = Arena.layOut { space in
      func matrix<Kind>(_ rows: Int, _ columns: Int, _ type: Kind.Type) -> MatrixView<Kind> {
        space.matrix(rows: rows, columns: columns, of: type)
      }
      let kept = patterns.map { pattern in
        Kept(
          reach: pattern.reach, textKeys: matrix(textRows, d, Element.self), textValues: matrix(textRows, d, Element.self),
          imageKeys: matrix(rows * pattern.reach, d, Element.self), imageValues: matrix(rows * pattern.reach, d, Element.self))
      }
      let work = Work(
        stream: matrix(most, d, Float.self), normed: matrix(most, d, Element.self), attended: matrix(most, d, Element.self),
        qkv: matrix(most, 3 * d, Element.self), up: matrix(most, 4 * d, Element.self), means: space.vector(most),
        deviations: space.vector(most), logits: matrix(rows, config.imageVocabulary, Float.self))
      let attention = CachedAttention<Element>(
        &space, width: d, heads: config.heads, textLength: config.textLength, pictures: rowsPerCaption, imageKeys: longest)
      return (kept, work, attention)
    }
    try read(captions)
  }

  /// The logits of image position `position`, `[rows, image vocabulary]`; they are overwritten by the next call.
  ///
  /// - Parameter previous: each row's token of the position before; empty at position 0.
  public func step(_ position: Int, previous: [Int32]) throws -> Matrix {
    precondition(previous.count == (position == 0 ? 0 : rows), "\(previous.count) tokens for \(rows) rows")
    let embeddings = parameters.embeddings
    let w = try source.weights(of: embeddings.block)
    for row in 0..<rows {
      embed(embeddings.imageTerms(after: position == 0 ? nil : previous[row], at: position), w, into: work.stream.row(row))
    }
    let text = config.textLength
    try forward(rows) { layer, qkv in
      let kept = kept[layer]
      for row in 0..<rows {
        let (_, key, value) = parts(qkv.rows(row..<row + 1))
        let slot = row * kept.reach + position % kept.reach
        kept.imageKeys.row(slot).copy(from: key.row(0))
        kept.imageValues.row(slot).copy(from: value.row(0))
      }
      let seen = visible[layer][position].map { $0 % kept.reach }
      for first in stride(from: 0, to: rows, by: rowsPerCaption) {
        let pictures = first..<first + rowsPerCaption
        let caption = first / rowsPerCaption * text..<(first / rowsPerCaption + 1) * text
        let slots = pictures.lowerBound * kept.reach..<pictures.upperBound * kept.reach
        attention.step(
          parts(qkv.rows(pictures)).query, textKeys: kept.textKeys.rows(caption), textValues: kept.textValues.rows(caption),
          imageKeys: kept.imageKeys.rows(slots), imageValues: kept.imageValues.rows(slots), seen: seen,
          into: work.attended.rows(pictures))
      }
    }
    let heads = parameters.heads
    let last = try source.weights(of: heads.block)
    norm(rows, last[heads.gain], last[heads.bias])
    multiply(work.normed.rows(0..<rows), last.operand(heads.image).transposed, into: work.logits)
    return work.logits
  }

  /// The captions' way through all layers; text sees the text before it.
  private func read(_ captions: [[Int32]]) throws {
    let text = config.textLength
    let embeddings = parameters.embeddings
    let w = try source.weights(of: embeddings.block)
    for (index, caption) in captions.enumerated() {
      for position in 0..<text {
        embed(embeddings.textTerms(caption, at: position), w, into: work.stream.row(index * text + position))
      }
    }
    try forward(captions.count * text) { layer, qkv in
      let kept = kept[layer]
      for caption in captions.indices {
        let rows = caption * text..<(caption + 1) * text
        let (query, key, value) = parts(qkv.rows(rows))
        for row in 0..<text {
          kept.textKeys.row(rows.lowerBound + row).copy(from: key.row(row))
          kept.textValues.row(rows.lowerBound + row).copy(from: value.row(row))
        }
        attention.text(query, keys: key, values: value, into: work.attended.rows(rows))
      }
    }
  }

  /// All layers over the first `n` rows of the stream; `attention` fills `attended` from queries, keys and values.
  private func forward(_ n: Int, attention: (_ layer: Int, _ qkv: MatrixView<Element>) -> Void) throws {
    let (stream, normed) = (work.stream.rows(0..<n), work.normed.rows(0..<n))
    let (qkv, up) = (work.qkv.rows(0..<n), work.up.rows(0..<n))
    for layer in 0..<config.layers {
      let a = parameters.attention[layer]
      var w = try source.weights(of: a.block)
      norm(n, w[a.gain], w[a.bias])
      multiply(normed, w.operand(a.qkvWeight).transposed, into: qkv, bias: w[a.qkvBias])
      attention(layer, qkv)
      multiply(work.attended.rows(0..<n), w.operand(a.outputWeight).transposed, into: stream, .accumulate, bias: w[a.outputBias])

      let m = parameters.mlp[layer]
      w = try source.weights(of: m.block)
      norm(n, w[m.gain], w[m.bias])
      multiply(normed, w.operand(m.upWeight).transposed, into: up, bias: w[m.upBias])
      quickGELU(up.vector, into: up.vector)
      multiply(up, w.operand(m.downWeight).transposed, into: stream, .accumulate, bias: w[m.downBias])
    }
  }

  private func norm(_ n: Int, _ gain: Vector, _ bias: Vector) {
    layerNorm(
      work.stream.rows(0..<n), gain: gain, bias: bias, into: work.normed.rows(0..<n), means: work.means[0..<n],
      inverseDeviations: work.deviations[0..<n])
  }

  private func embed(_ terms: [Int], _ w: BlockValues, into row: Vector) {
    row.copy(from: w.values[terms[0]..<terms[0] + row.count])
    for term in terms.dropFirst() { add(w.values[term..<term + row.count], to: row) }
  }

  /// Queries, keys and values of some rows, each `[rows, d]`.
  private func parts(
    _ qkv: MatrixView<Element>
  ) -> (query: MatrixView<Element>, key: MatrixView<Element>, value: MatrixView<Element>) {
    let d = config.width
    return (qkv.columns(0..<d), qkv.columns(d..<2 * d), qkv.columns(2 * d..<3 * d))
  }
}
