import Kernels
import Layers
import Memory

/// The transformer one image position at a time, with the keys and values of earlier positions kept: what drawing needs.
/// Gives the logits of a full forward pass.
///
/// Every caption is read once; `rowsPerCaption` pictures are drawn for it side by side.
public final class CachedTransformer {
  public let config: TransformerConfig
  /// Pictures drawn side by side: `rowsPerCaption` for the first caption, then as many for the next.
  public let rows: Int
  private let rowsPerCaption: Int
  private let parameters: TransformerParameters
  private let source: any ParameterSource
  /// Image keys that each position sees, by layer.
  private let visible: [[[Int]]]
  private let kept: [Kept]
  private let work: Work
  private let arena: Arena

  /// What a layer keeps.
  private struct Kept {
    let textKeys, textValues: Matrix  // [captions · text length, d]
    let imageKeys, imageValues: Matrix  // [rows · image length, d]
  }

  private struct Work {
    let stream, normed, attended: Matrix  // [n, d]
    let qkv: Matrix  // [n, 3d]
    let up: Matrix  // [n, 4d]
    let means, deviations: Vector  // [n]
    let scores: Vector  // [longest list of keys]
    let logits: Matrix  // [rows, image vocabulary]
  }

  /// Reads the captions: tokens, at most `textLength` each; an empty caption is all padding.
  public init(
    _ config: TransformerConfig, captions: [[Int32]], rowsPerCaption: Int, source: any ParameterSource
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
    (arena, (kept, work)) = Arena.layOut { space in
      let kept = (0..<config.layers).map { _ in
        Kept(
          textKeys: space.matrix(rows: textRows, columns: d), textValues: space.matrix(rows: textRows, columns: d),
          imageKeys: space.matrix(rows: rows * config.imageLength, columns: d),
          imageValues: space.matrix(rows: rows * config.imageLength, columns: d))
      }
      let work = Work(
        stream: space.matrix(rows: most, columns: d), normed: space.matrix(rows: most, columns: d),
        attended: space.matrix(rows: most, columns: d), qkv: space.matrix(rows: most, columns: 3 * d),
        up: space.matrix(rows: most, columns: 4 * d), means: space.vector(most), deviations: space.vector(most),
        scores: space.vector(config.length), logits: space.matrix(rows: rows, columns: config.imageVocabulary))
      return (kept, work)
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
    let (length, text) = (config.imageLength, config.textLength)
    try forward(rows) { layer, qkv in
      let kept = kept[layer]
      for row in 0..<rows {
        let (query, key, value) = parts(qkv.row(row))
        kept.imageKeys.row(row * length + position).copy(from: key)
        kept.imageValues.row(row * length + position).copy(from: value)
        let caption = row / rowsPerCaption * text..<(row / rowsPerCaption + 1) * text
        attend(
          query, heads: config.heads, textKeys: kept.textKeys.rows(caption), textValues: kept.textValues.rows(caption),
          imageKeys: kept.imageKeys.rows(row * length..<(row + 1) * length),
          imageValues: kept.imageValues.rows(row * length..<(row + 1) * length), positions: visible[layer][position],
          scores: work.scores, into: work.attended.row(row))
      }
    }
    let heads = parameters.heads
    let last = try source.weights(of: heads.block)
    norm(rows, last[heads.gain], last[heads.bias])
    multiply(work.normed.rows(0..<rows), last.matrix(heads.image).transposed, into: work.logits)
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
      for row in 0..<qkv.rows {
        let (query, key, value) = parts(qkv.row(row))
        kept.textKeys.row(row).copy(from: key)
        kept.textValues.row(row).copy(from: value)
        // Rows come in order, so all keys up to this one are there.
        let before = row / text * text..<row + 1
        attend(
          query, heads: config.heads, textKeys: kept.textKeys.rows(before), textValues: kept.textValues.rows(before),
          imageKeys: kept.imageKeys, imageValues: kept.imageValues, positions: [], scores: work.scores,
          into: work.attended.row(row))
      }
    }
  }

  /// All layers over the first `n` rows of the stream; `attention` fills `attended` from queries, keys and values.
  private func forward(_ n: Int, attention: (_ layer: Int, _ qkv: Matrix) -> Void) throws {
    let (stream, normed) = (work.stream.rows(0..<n), work.normed.rows(0..<n))
    let (qkv, up) = (work.qkv.rows(0..<n), work.up.rows(0..<n))
    for layer in 0..<config.layers {
      let a = parameters.attention[layer]
      var w = try source.weights(of: a.block)
      norm(n, w[a.gain], w[a.bias])
      multiply(normed, w.matrix(a.qkvWeight).transposed, into: qkv, bias: w[a.qkvBias])
      attention(layer, qkv)
      multiply(work.attended.rows(0..<n), w.matrix(a.outputWeight).transposed, into: stream, .accumulate, bias: w[a.outputBias])

      let m = parameters.mlp[layer]
      w = try source.weights(of: m.block)
      norm(n, w[m.gain], w[m.bias])
      multiply(normed, w.matrix(m.upWeight).transposed, into: up, bias: w[m.upBias])
      quickGELU(up.vector, into: up.vector)
      multiply(up, w.matrix(m.downWeight).transposed, into: stream, .accumulate, bias: w[m.downBias])
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

  private func parts(_ qkv: Vector) -> (query: Vector, key: Vector, value: Vector) {
    let d = config.width
    return (qkv[0..<d], qkv[d..<2 * d], qkv[2 * d..<3 * d])
  }
}
