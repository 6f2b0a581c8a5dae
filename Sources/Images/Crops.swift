import Random

extension Picture {
  /// The random crop for training the dVAE (paper, appendix A.2, listing 1): a random square, scaled to between `size` and
  /// 9/8 to 12/8 of it, a random `size` × `size` part of that, mirrored half of the time. Smaller pictures are enlarged.
  public func dvaeCrop<Source: RandomNumberGenerator>(_ size: Int, using random: inout Source) -> Picture {
    let side = min(width, height)
    let square = cropped(
      x: Int.random(in: 0...width - side, using: &random), y: Int.random(in: 0...height - side, using: &random),
      width: side, height: side)
    let least = min(side, (size * 9 + 4) / 8)  // round(9/8 · size)
    let most = min(side, (size * 12 + 4) / 8)
    let scaled = square.scaled(to: max(size, Int.random(in: least...most, using: &random)))
    let part = scaled.randomPart(size, using: &random)
    return Bool.random(using: &random) ? part.mirrored() : part
  }

  /// The random crop for encoding pictures for the transformer (paper, appendix B.1, listing 2): a square near the middle of
  /// the longer side, scaled to between `size` and 9/8 of it, a random `size` × `size` part of that.
  public func transformerCrop<Source: RandomNumberGenerator>(_ size: Int, using random: inout Source) -> Picture {
    let side = min(width, height)
    func offset(_ length: Int) -> Int {
      let spare = length - side
      let least = 3 * spare / 8
      return Int.random(in: least..<max(least + 1, 5 * spare / 8), using: &random)
    }
    let square = cropped(x: offset(width), y: offset(height), width: side, height: side)
    let most = max(size, min(side, size * 9 / 8))
    return square.scaled(to: Int.random(in: size...most, using: &random)).randomPart(size, using: &random)
  }

  /// The middle square, scaled to `size` × `size`: the crop for evaluation.
  public func centreCrop(_ size: Int) -> Picture {
    let side = min(width, height)
    return cropped(x: (width - side) / 2, y: (height - side) / 2, width: side, height: side).scaled(to: size)
  }

  private func scaled(to size: Int) -> Picture { resized(width: size, height: size) }

  private func randomPart<Source: RandomNumberGenerator>(_ size: Int, using random: inout Source) -> Picture {
    cropped(
      x: Int.random(in: 0...width - size, using: &random), y: Int.random(in: 0...height - size, using: &random),
      width: size, height: size)
  }
}
