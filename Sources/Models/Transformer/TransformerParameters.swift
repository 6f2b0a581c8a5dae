import Layers
import Tokens

/// Addresses of the transformer's parameters, block by block.
struct TransformerParameters {
  struct Embeddings {
    let block: BlockID
    let text, textPosition, textPadding, textStart, image, imageStart, imageRow, imageColumn: Parameter

    /// Rows of the tables that are added up at a text position, as offsets into the block: the token before it, or the
    /// start, and the position; where there is no text, a learned vector for each position takes their place (paper 2.2).
    func textTerms(_ text: [Token], at position: Int) -> [Int] {
      let d = textStart.count
      if position == 0 { return [textStart.offset, textPosition.offset] }
      if position > text.count { return [textPadding.offset + position * d] }
      return [self.text.offset + Int(text[position - 1]) * d, textPosition.offset + position * d]
    }

    /// The same at an image position: the token before it, or the start, and its row and column.
    func imageTerms(after previous: Token?, at position: Int) -> [Int] {
      let d = imageStart.count
      let grid = imageRow.shape[0]
      let token = previous.map { image.offset + Int($0) * d } ?? imageStart.offset
      return [token, imageRow.offset + position / grid * d, imageColumn.offset + position % grid * d]
    }
  }

  struct Heads {
    let block: BlockID
    let norm: NormParameters
    let text, image: Parameter
  }

  let embeddings: Embeddings
  let blocks: [TransformerBlockParameters]
  let heads: Heads

  /// Adds every parameter to `table`, with the initialization of Sparse Transformers (Child et al. 2019, section 6): weights
  /// N(0, 0.125/sqrt(fan in)), token embeddings N(0, 0.125/sqrt(d)), positions N(0, 0.125/sqrt(d·n)), the two matrices that
  /// write to the residual stream further scaled by 1/sqrt(2·layers), heads 0. In the modern architecture those two begin at 0.
  init(_ config: TransformerConfig, _ table: inout ParameterTable) {
    let d = config.width
    let residual = 1 / Float(2 * config.layers).squareRoot()
    var t = table

    let first = t.addBlock("embeddings")
    let embedding = { (name: String, shape: [Int], initialization: Initialization) in
      t.add(name, shape, .embedding, initialization, to: first)
    }
    embeddings = Embeddings(
      block: first,
      text: embedding("text_embedding.weight", [config.textVocabulary, d], .sparseTransformer(fanIn: d)),
      textPosition: embedding("text_position.weight", [config.textLength, d], .sparseTransformer(fanIn: d * config.textLength)),
      textPadding: embedding("text_padding.weight", [config.textLength, d], .sparseTransformer(fanIn: d)),
      textStart: embedding("text_start", [d], .sparseTransformer(fanIn: d)),
      image: embedding("image_embedding.weight", [config.imageVocabulary, d], .sparseTransformer(fanIn: d)),
      imageStart: embedding("image_start", [d], .sparseTransformer(fanIn: d)),
      imageRow: embedding("image_row.weight", [config.grid, d], .sparseTransformer(fanIn: d * config.grid)),
      imageColumn: embedding("image_column.weight", [config.grid, d], .sparseTransformer(fanIn: d * config.grid)))

    blocks = (0..<config.layers).map {
      TransformerBlockParameters(
        "blocks.\($0)", width: d, residualScale: residual, config.architecture, isFirst: $0 == 0, in: &t)
    }

    let last = t.addBlock("heads")
    heads = Heads(
      block: last,
      norm: NormParameters("final_norm", width: d, config.architecture, to: last, in: &t),
      text: t.add("text_head.weight", [config.textVocabulary, d], .head, .constant(0), to: last),
      image: t.add("image_head.weight", [config.imageVocabulary, d], .head, .constant(0), to: last))
    table = t
  }
}
