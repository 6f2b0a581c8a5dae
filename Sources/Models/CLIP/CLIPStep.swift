import Kernels
import Layers
import Memory
import Tokens

/// A CLIP's passes in some precision.
protocol CLIPPasses {
  /// Loss and gradient of all blocks.
  func forwardBackward(_ samples: CLIPBatch, _ store: any ParameterStore, scale: Float) throws -> CLIPLoss
  /// Loss alone.
  func evaluate(_ samples: CLIPBatch, _ store: any ParameterStore) throws -> CLIPLoss
  /// `[count, features]` of length 1.
  func imageFeatures(_ pixels: ArraySlice<UInt8>, count: Int, _ store: any ParameterStore) throws -> [Float]
  func textFeatures(_ text: ArraySlice<[Token]>, _ store: any ParameterStore) throws -> [Float]
}

/// Forward and backward passes over one micro-batch, in which every caption is compared with every image.
struct CLIPStep<Element: Scalar>: CLIPPasses {
  private let config: CLIPConfig
  private let parameters: CLIPParameters
  private let image, text: CLIPTower<Element>
  private let scratch: TransformerScratch<Element>
  private let patches: MatrixView<Element>  // [b · patches, values of a patch]
  private let cosines: Matrix  // [b, b]
  private let dStream: Matrix
  private let dInput: VectorView<Element>

  init(_ config: CLIPConfig, _ parameters: CLIPParameters, samples: Int, in space: inout Space) {
    (self.config, self.parameters) = (config, parameters)
    let patterns = [config.imagePattern, config.textPattern]
    image = CLIPTower(config, parameters.image, pattern: patterns[0], samples: samples, in: &space)
    text = CLIPTower(config, parameters.text, pattern: patterns[1], samples: samples, in: &space)
    // The towers are computed one after the other.
    let n = samples * patterns.map(\.length).max()!
    scratch = TransformerScratch(
      rows: n, width: config.width, headSize: config.headSize, patterns: patterns, training: true, in: &space)
    patches = space.matrix(rows: samples * patterns[0].length, columns: config.patchValues, of: Element.self)
    cosines = space.matrix(rows: samples, columns: samples)
    dStream = space.matrix(rows: n, columns: config.width)
    dInput = space.vector(Element.self == Float.self ? 0 : n * config.width, of: Element.self)
  }

  // MARK: Passes

  func forwardBackward(_ samples: CLIPBatch, _ store: any ParameterStore, scale: Float) throws -> CLIPLoss {
    let (p, n) = (parameters, samples.count)
    let walk = try BlockWalk(
      store,
      [p.patches.block] + image.order + [p.tokens.block] + text.order + [p.similarity.block] + text.order.reversed()
        + image.order.reversed())
    try forwardImages(samples.pixels[...], n, walk)
    try forwardText(samples.text[...], walk)
    let loss = try walk.backward(p.similarity.block) { w, g in
      let loss = compare(samples, w, factor: scale)
      g[p.similarity.scale][0] += loss.dScale
      g[p.similarity.bias][0] += loss.dBias
      return loss
    }
    let factor = 1 / Float(config.featureSize)
    let dCosines = Matrix(cosines.base, rows: n, columns: n)
    for (tower, other, transposed) in [(image, text, Operands()), (text, image, .first)] {
      let dFeatures = tower.dFeatures.rows(0..<n)
      matmul(dCosines, other.features.rows(0..<n), transposing: transposed, into: dFeatures)
      scaled(dFeatures.vector, by: factor, into: dFeatures.vector)
    }

    let dText = dStream.rows(0..<n * text.length)
    try text.backward(n, pooling: last(samples.text[...]), walk, scratch, dStream: dText)
    try walk.backward(withoutWeights: p.tokens.block) { embedTextBackward(samples.text, dText, $0) }
    let dImages = dStream.rows(0..<n * image.length)
    try image.backward(n, pooling: all, walk, scratch, dStream: dImages)
    try walk.backward(withoutWeights: p.patches.block) { embedImagesBackward(n, dImages, $0) }
    return CLIPLoss(samples: n, nats: loss.nats, firsts: loss.firsts)
  }

  func evaluate(_ samples: CLIPBatch, _ store: any ParameterStore) throws -> CLIPLoss {
    let p = parameters
    let walk = try BlockWalk(store, [p.patches.block] + image.order + [p.tokens.block] + text.order + [p.similarity.block])
    try forwardImages(samples.pixels[...], samples.count, walk)
    try forwardText(samples.text[...], walk)
    let loss = try walk.forward(p.similarity.block) { compare(samples, $0, factor: 0) }
    return CLIPLoss(samples: samples.count, nats: loss.nats, firsts: loss.firsts)
  }

  func imageFeatures(_ pixels: ArraySlice<UInt8>, count: Int, _ store: any ParameterStore) throws -> [Float] {
    try forwardImages(pixels, count, BlockWalk(store, [parameters.patches.block] + image.order))
    return ofLength1(image.features.rows(0..<count))
  }

  func textFeatures(_ captions: ArraySlice<[Token]>, _ store: any ParameterStore) throws -> [Float] {
    try forwardText(captions, BlockWalk(store, [parameters.tokens.block] + text.order))
    return ofLength1(text.features.rows(0..<captions.count))
  }

  private func ofLength1(_ features: Matrix) -> [Float] {
    let factor = 1 / Float(config.featureSize).squareRoot()
    return features.vector.array.map { $0 * factor }
  }

  /// Leaves the gradient of the cosines in their place.
  private func compare(_ samples: CLIPBatch, _ w: BlockValues, factor: Float) -> SigmoidLoss {
    let n = samples.count
    let cosines = Matrix(cosines.base, rows: n, columns: n)
    matmul(image.features.rows(0..<n), text.features.rows(0..<n), transposing: .second, into: cosines)
    scaled(cosines.vector, by: 1 / Float(config.featureSize), into: cosines.vector)
    return SigmoidLoss(
      cosines, scale: w[parameters.similarity.scale][0], bias: w[parameters.similarity.bias][0], factor: factor
    ) { samples.text[$0] == samples.text[$1] }
  }

  // MARK: Images

  /// Pooling of the image tower: the mean of all patches.
  private func all(_ sample: Int) -> Range<Int> { 0..<image.length }

  private func forwardImages(_ pixels: ArraySlice<UInt8>, _ count: Int, _ walk: BlockWalk) throws {
    cut(pixels, count)
    let p = parameters.patches
    try walk.forward(p.block) { w in
      let input = image.input(count)
      w.linear(patches.rows(0..<input.rows), p.weight, bias: p.bias, into: input)
      let positions = w.matrix(p.position)
      for row in 0..<input.rows { add(positions.row(row % image.length), to: input.row(row)) }
    }
    try image.forward(count, pooling: all, walk, scratch)
  }

  /// Patches of images `[count, size, size, 3]`, from -1 to 1.
  private func cut(_ pixels: ArraySlice<UInt8>, _ count: Int) {
    let (size, side, grid) = (config.imageSize, config.patchSize, config.grid)
    pixels.withUnsafeBufferPointer { pixels in
      for row in 0..<count * grid * grid {
        let (sample, place) = row.quotientAndRemainder(dividingBy: grid * grid)
        let target = patches.row(row)
        for y in 0..<side {
          let line = (sample * size + place / grid * side + y) * size + place % grid * side
          for i in 0..<3 * side { target[3 * side * y + i] = Element(Float(pixels[3 * line + i]) * (2 / 255) - 1) }
        }
      }
    }
  }

  private func embedImagesBackward(_ count: Int, _ dInput: Matrix, _ g: BlockValues) {
    let p = parameters.patches
    let dy = Element.rounded(dInput.vector, into: self.dInput).matrix(rows: dInput.rows, columns: dInput.columns)
    matmul(dy, patches.rows(0..<dInput.rows), transposing: .first, into: g.matrix(p.weight), .accumulate)
    biasBackward(dInput, addingTo: g[p.bias])
    let positions = g.matrix(p.position)
    for row in 0..<dInput.rows { add(dInput.row(row), to: positions.row(row % image.length)) }
  }

  // MARK: Captions

  /// Pooling of the text tower: the row of the last token, which has read all of them.
  private func last(_ captions: ArraySlice<[Token]>) -> (_ sample: Int) -> Range<Int> {
    { sample in
      let count = captions[captions.startIndex + sample].count
      return count..<count + 1
    }
  }

  private func forwardText(_ captions: ArraySlice<[Token]>, _ walk: BlockWalk) throws {
    try walk.forward(parameters.tokens.block) { w in
      let input = text.input(captions.count)
      input.vector.fill(0)
      forEachTerm(captions, w) { row, terms in for term in terms { add(term, to: input.row(row)) } }
    }
    try text.forward(captions.count, pooling: last(captions), walk, scratch)
  }

  private func embedTextBackward(_ captions: [[Token]], _ dInput: Matrix, _ g: BlockValues) {
    forEachTerm(captions[...], g) { row, terms in for term in terms { add(dInput.row(row), to: term) } }
  }

  /// The vectors that are added up at each row of the text tower's input; none after the last token.
  private func forEachTerm(_ captions: ArraySlice<[Token]>, _ values: BlockValues, _ body: (_ row: Int, _ terms: [Vector]) -> Void)
  {
    let p = parameters.tokens
    let (tokens, positions) = (values.matrix(p.token), values.matrix(p.position))
    for (sample, caption) in captions.enumerated() {
      for position in 0...caption.count {
        let term = position == 0 ? values[p.start] : tokens.row(Int(caption[position - 1]))
        body(sample * text.length + position, [term, positions.row(position)])
      }
    }
  }
}
