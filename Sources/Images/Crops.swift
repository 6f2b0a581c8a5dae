import Random

extension Image {
  /// Pixels of the shorter side that crops of `size` need of an image that a decoder may reduce: more than twice the 12/8 of the
  /// dVAE's crop, so that area averaging still does the last part, which decides how the result looks. Of 100 photos the worst
  /// crop differs by 1.2 levels on average from that of the whole image; with three times `size` it was 2.2.
  package static func leastSide(forCropsOf size: Int) -> Int { 4 * size }

  /// The random crop for training the dVAE (paper, appendix A.2, listing 1): a random square, scaled to between `size` and
  /// 9/8 to 12/8 of it, a random `size` × `size` part of that, mirrored half of the time. Smaller images are enlarged.
  package func dvaeCrop<Source: RandomNumberGenerator>(_ size: Int, using random: inout Source) -> Image {
    let side = min(origin.width, origin.height)
    let square = Rectangle(
      x: Int.random(in: 0...origin.width - side, using: &random), y: Int.random(in: 0...origin.height - side, using: &random),
      width: side, height: side)
    let least = min(side, (size * 9 + 4) / 8)  // round(9/8 · size)
    let most = min(side, (size * 12 + 4) / 8)
    let part = randomPart(size, of: square, scaledTo: max(size, Int.random(in: least...most, using: &random)), using: &random)
    return Bool.random(using: &random) ? part.mirrored() : part
  }

  /// The random crop for encoding images for the transformer (paper, appendix B.1, listing 2): a square near the middle of
  /// the longer side, scaled to between `size` and 9/8 of it, a random `size` × `size` part of that.
  package func transformerCrop<Source: RandomNumberGenerator>(_ size: Int, using random: inout Source) -> Image {
    let side = min(origin.width, origin.height)
    func offset(_ length: Int) -> Int {
      let spare = length - side
      let least = 3 * spare / 8
      return Int.random(in: least..<max(least + 1, 5 * spare / 8), using: &random)
    }
    let square = Rectangle(x: offset(origin.width), y: offset(origin.height), width: side, height: side)
    let most = max(size, min(side, size * 9 / 8))
    return randomPart(size, of: square, scaledTo: Int.random(in: size...most, using: &random), using: &random)
  }

  /// The middle square, scaled to `size` × `size`: the crop for evaluation.
  package func centerCrop(_ size: Int) -> Image {
    let side = min(origin.width, origin.height)
    let square = Rectangle(x: (origin.width - side) / 2, y: (origin.height - side) / 2, width: side, height: side)
    return scaled(square, width: size, height: size, part: Rectangle(x: 0, y: 0, width: size, height: size))
  }

  private func randomPart<Source: RandomNumberGenerator>(
    _ size: Int, of square: Rectangle, scaledTo side: Int, using random: inout Source
  ) -> Image {
    let part = Rectangle(
      x: Int.random(in: 0...side - size, using: &random), y: Int.random(in: 0...side - size, using: &random),
      width: size, height: size)
    return scaled(square, width: side, height: side, part: part)
  }
}
