import Layers

#if canImport(Glibc)
  import Glibc
#endif

/// Addresses of a CLIP's parameters, block by block.
struct CLIPParameters {
  /// Of one tower: what makes the positions of its input is the tower's own.
  struct Tower {
    let blocks: [TransformerBlockParameters]
    let head: BlockID
    let norm: NormParameters
    /// `[features, d]`
    let projection: Parameter

    init(_ name: String, _ config: CLIPConfig, in table: inout ParameterTable) {
      let d = config.width
      let residual = 1 / Float(2 * config.layers).squareRoot()
      blocks = (0..<config.layers).map {
        TransformerBlockParameters(
          "\(name).blocks.\($0)", width: d, residualScale: residual, .published, isFirst: $0 == 0, in: &table)
      }
      head = table.addBlock("\(name).head")
      norm = NormParameters("\(name).norm", width: d, .published, to: head, in: &table)
      projection = table.add(
        "\(name).projection.weight", [config.featureSize, d], .matrix, .normal(std: 1 / Float(d).squareRoot()), to: head)
    }

    /// Attention and MLP of each block, in the order of the forward pass.
    var layers: [BlockID] { blocks.flatMap { [$0.attention.block, $0.mlp.block] } }
  }

  /// The image tower's input: a linear function of each patch, and its position.
  let patches: (block: BlockID, weight: Parameter, bias: Parameter, position: Parameter)
  /// The text tower's input: the start or a token, and its position.
  let tokens: (block: BlockID, token: Parameter, start: Parameter, position: Parameter)
  let image, text: Tower
  /// Of the loss: logit = e^scale · cosine + bias (Zhai et al. 2023, section 3.2, with their initial values).
  let similarity: (block: BlockID, scale: Parameter, bias: Parameter)

  init(_ config: CLIPConfig, _ table: inout ParameterTable) {
    let d = config.width
    var t = table
    var block = t.addBlock("image.embeddings")
    patches = (
      block,
      t.add(
        "image.patch.weight", [d, config.patchValues], .matrix, .normal(std: 1 / Float(config.patchValues).squareRoot()), to: block),
      t.add("image.patch.bias", [d], .bias, .constant(0), to: block),
      t.add("image.position.weight", [config.grid * config.grid, d], .embedding, .normal(std: 0.02), to: block)
    )
    image = Tower("image", config, in: &t)
    block = t.addBlock("text.embeddings")
    tokens = (
      block, t.add("text.token.weight", [config.textVocabulary, d], .embedding, .normal(std: 0.02), to: block),
      t.add("text.start", [d], .embedding, .normal(std: 0.02), to: block),
      t.add("text.position.weight", [1 + config.textLength, d], .embedding, .normal(std: 0.01), to: block)
    )
    text = Tower("text", config, in: &t)
    block = t.addBlock("similarity")
    similarity = (
      block, t.add("similarity.scale", [1], .bias, .constant(log(10)), to: block),
      t.add("similarity.bias", [1], .bias, .constant(-10), to: block)
    )
    table = t
  }
}
