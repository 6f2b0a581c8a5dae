import Images

@testable import Scenes

#if canImport(Glibc)
  import Glibc
#endif

/// The outline of something that looks like one of the shapes and is none: what a model generates that has not learned them.
struct DistortedShape {
  enum Distortion: String, CaseIterable {
    /// With a point below: between a triangle and a diamond.
    case kite
    /// The mean of the outlines of two shapes.
    case blend
    /// Turned by half of the angle at which it looks the same; for the circle an ellipse.
    case turned
    /// Half as wide again as high.
    case stretched
    /// A third is missing.
    case cut
    /// With a bump, a third of its width.
    case bump
  }

  let distortion: Distortion
  let shape: SceneShape
  /// What it is blended with.
  let other: SceneShape

  static let all = Distortion.allCases.flatMap { distortion in
    SceneShape.allCases.flatMap { shape in
      (distortion == .blend ? SceneShape.allCases.filter { $0 != shape } : [shape]).map {
        DistortedShape(distortion: distortion, shape: shape, other: $0)
      }
    }
  }

  /// Whether it covers a point, in units of its radius.
  func covers(_ p: SIMD2<Float>) -> Bool {
    func distance(_ p: SIMD2<Float>, _ shape: SceneShape) -> Float { SceneShape.distance(p, corners: shape.corners) }
    func turned(_ angle: Float) -> SIMD2<Float> {
      let (c, s) = (cosf(angle), sinf(angle))
      return [c * p.x - s * p.y, s * p.x + c * p.y]
    }
    switch distortion {
    case .kite: return SceneShape.distance(p, corners: [[0, -1.05], [0.95, 0.2], [0, 1.05], [-0.95, 0.2]]) < 0
    case .blend: return distance(p, shape) + distance(p, other) < 0
    case .turned:
      let angle: Float =
        switch shape {
        case .circle: 0
        case .square, .diamond: .pi / 8
        case .triangle: .pi / 3
        case .cross: .pi / 4
        case .star: .pi / 5
        }
      return distance(shape == .circle ? p * SIMD2(0.8, 1.25) : turned(angle), shape) < 0
    case .stretched: return distance(p * SIMD2(0.82, 1.22), shape) < 0
    case .cut: return distance(p, shape) < 0 && p.x < 0.33
    case .bump:
      // Below and to the right, where every shape has a side or an inner corner.
      let bump = turned(-.pi / 4) - SIMD2(shape == .cross ? 0.6 : 0.95, 0)
      return distance(p, shape) < 0 || (bump * bump).sum() < 0.33 * 0.33
    }
  }

  /// Which of 1,600 points around it an outline covers.
  private static func mask(_ covers: (SIMD2<Float>) -> Bool) -> [UInt64] {
    let count = 40
    var mask = [UInt64](repeating: 0, count: count * count / 64)
    for i in 0..<count * count {
      let point = (SIMD2(Float(i % count), Float(i / count)) + 0.5) * (2.8 / Float(count)) - 1.4
      if covers(point) { mask[i / 64] |= 1 << UInt64(i % 64) }
    }
    return mask
  }

  /// All shapes in many sizes and places.
  private static let ideals: [[UInt64]] = SceneShape.allCases.flatMap { shape in
    (0..<9 * 7 * 7).map { i in
      let radius = 0.65 + 0.075 * Float(i / 49)
      let center = SIMD2(Float(i % 7), Float(i / 7 % 7)) * 0.08 - 0.24
      return mask { SceneShape.distance(($0 - center) / radius, corners: shape.corners) < 0 }
    }
  }

  /// The largest overlap (shared area over covered area) with any shape of any size and place, by brute force.
  var overlap: Float {
    let mine = Self.mask(covers)
    return Self.ideals.map { ideal in
      let (shared, covered) = zip(mine, ideal).reduce(into: (0, 0)) { counts, words in
        counts.0 += (words.0 & words.1).nonzeroBitCount
        counts.1 += (words.0 | words.1).nonzeroBitCount
      }
      return Float(shared) / Float(covered)
    }.max()!
  }

  /// On paper, alone, with smooth edges.
  func image(_ color: SceneColor, center: SIMD2<Float>, radius: Float, size: Int) -> Image {
    let samples = 6
    var image = Image(width: size, height: size, (245, 245, 245))
    for y in 0..<size {
      for x in 0..<size {
        let inside = (0..<samples * samples).count { i in
          let part = (SIMD2(Float(i % samples), Float(i / samples)) + 0.5) / Float(samples)
          return covers(((SIMD2(Float(x), Float(y)) + part) / Float(size) - center) / radius)
        }
        let share = Float(inside) / Float(samples * samples)
        for band in 0..<3 {
          image.pixels[3 * (y * size + x) + band] = UInt8((245 + share * (color.rgb[band] - 245)).rounded())
        }
      }
    }
    return image
  }
}
