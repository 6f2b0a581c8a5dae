import Layers

/// Addresses of the transformer's parameters, block by block.
struct TransformerParameters {
  struct Embeddings {
    let block: BlockID
    let text, textPosition, textPadding, textStart, image, imageStart, imageRow, imageColumn: Parameter

    /// Rows of the tables that are added up at a text position, as offsets into the block: the token before it, or the
    /// start, and the position; where there is no text, a learned vector for each position takes their place (paper 2.2).
    func textTerms(_ text: [Int32], at position: Int) -> [Int] {
      let d = textStart.count
      if position == 0 { return [textStart.offset, textPosition.offset] }
      if position > text.count { return [textPadding.offset + position * d] }
      return [self.text.offset + Int(text[position - 1]) * d, textPosition.offset + position * d]
    }

    /// The same at an image position: the token before it, or the start, and its row and column.
    func imageTerms(after previous: Int32?, at position: Int) -> [Int] {
      let d = imageStart.count
      let grid = imageRow.shape[0]
      let token = previous.map { image.offset + Int($0) * d } ?? imageStart.offset
      return [token, imageRow.offset + position / grid * d, imageColumn.offset + position % grid * d]
    }
  }

  struct Attention {
    let block: BlockID
    let gain, bias, qkvWeight, qkvBias, outputWeight, outputBias: Parameter
  }

  struct MLP {
    let block: BlockID
    let gain, bias, upWeight, upBias, downWeight, downBias: Parameter
  }

  struct Heads {
    let block: BlockID
    let gain, bias, text, image: Parameter
  }

  let embeddings: Embeddings
  let attention: [Attention]
  let mlp: [MLP]
  let heads: Heads

  /// Adds every parameter to `table`, with the initialisation of Sparse Transformers (Child et al. 2019, section 6): weights
  /// N(0, 0.125/sqrt(fan in)), token embeddings N(0, 0.125/sqrt(d)), positions N(0, 0.125/sqrt(d·n)), the two matrices that
  /// write to the residual stream further scaled by 1/sqrt(2·layers), heads 0.
  init(_ config: TransformerConfig, _ table: inout ParameterTable) {
    let d = config.width
    func normal(_ fanIn: Int, _ factor: Float = 1) -> Initialization {
      .normal(standardDeviation: 0.125 / Float(fanIn).squareRoot() * factor)
    }
    let zero = Initialization.constant(0)
    let residual = 1 / Float(2 * config.layers).squareRoot()
    var t = table

    let first = t.addBlock("embeddings")
    let embedding = { (name: String, shape: [Int], start: Initialization) in
      t.add(name, shape, .embedding, start, to: first)
    }
    embeddings = Embeddings(
      block: first,
      text: embedding("text_embedding.weight", [config.textVocabulary, d], normal(d)),
      textPosition: embedding("text_position.weight", [config.textLength, d], normal(d * config.textLength)),
      textPadding: embedding("text_padding.weight", [config.textLength, d], normal(d)),
      textStart: embedding("text_start", [d], normal(d)),
      image: embedding("image_embedding.weight", [config.imageVocabulary, d], normal(d)),
      imageStart: embedding("image_start", [d], normal(d)),
      imageRow: embedding("image_row.weight", [config.grid, d], normal(d * config.grid)),
      imageColumn: embedding("image_column.weight", [config.grid, d], normal(d * config.grid)))

    var attention: [Attention] = []
    var mlp: [MLP] = []
    for layer in 0..<config.layers {
      let a = "blocks.\(layer).attention"
      let first = t.addBlock(a)
      attention.append(
        Attention(
          block: first,
          gain: t.add("\(a).norm.weight", [d], .gain, .constant(1), to: first),
          bias: t.add("\(a).norm.bias", [d], .bias, zero, to: first),
          qkvWeight: t.add("\(a).qkv.weight", [3 * d, d], .matrix, normal(d), to: first),
          qkvBias: t.add("\(a).qkv.bias", [3 * d], .bias, zero, to: first),
          outputWeight: t.add("\(a).output.weight", [d, d], .matrix, normal(d, residual), to: first),
          outputBias: t.add("\(a).output.bias", [d], .bias, zero, to: first)))
      let m = "blocks.\(layer).mlp"
      let second = t.addBlock(m)
      mlp.append(
        MLP(
          block: second,
          gain: t.add("\(m).norm.weight", [d], .gain, .constant(1), to: second),
          bias: t.add("\(m).norm.bias", [d], .bias, zero, to: second),
          upWeight: t.add("\(m).up.weight", [4 * d, d], .matrix, normal(d), to: second),
          upBias: t.add("\(m).up.bias", [4 * d], .bias, zero, to: second),
          downWeight: t.add("\(m).down.weight", [d, 4 * d], .matrix, normal(4 * d, residual), to: second),
          downBias: t.add("\(m).down.bias", [d], .bias, zero, to: second)))
    }
    self.attention = attention
    self.mlp = mlp

    let last = t.addBlock("heads")
    heads = Heads(
      block: last,
      gain: t.add("final_norm.weight", [d], .gain, .constant(1), to: last),
      bias: t.add("final_norm.bias", [d], .bias, zero, to: last),
      text: t.add("text_head.weight", [config.textVocabulary, d], .head, zero, to: last),
      image: t.add("image_head.weight", [config.imageVocabulary, d], .head, zero, to: last))
    table = t
  }
}
