import Images

extension SceneShape {
  /// Corners in units of the object's radius, clockwise; empty for the circle. The proportions make the shapes of one
  /// size easy to tell apart in few pixels, and yet alike in size.
  var corners: [SIMD2<Float>] {
    switch self {
    case .circle: []
    case .square: [[-0.92, -0.92], [0.92, -0.92], [0.92, 0.92], [-0.92, 0.92]]
    case .triangle: [[0, -1], [1, 0.9], [-1, 0.9]]
    case .diamond: [[0, -1.05], [1.05, 0], [0, 1.05], [-1.05, 0]]
    case .cross:
      [
        [-0.27, -1.02], [0.27, -1.02], [0.27, -0.27], [1.02, -0.27], [1.02, 0.27], [0.27, 0.27], [0.27, 1.02],
        [-0.27, 1.02], [-0.27, 0.27], [-1.02, 0.27], [-1.02, -0.27], [-0.27, -0.27],
      ]
    case .star: Self.starCorners
    }
  }

  private static let circleRadius: Float = 0.88

  private static let starCorners: [SIMD2<Float>] = {
    // Cosine and sine of 36° turn one corner into the next.
    let (cosine, sine): (Float, Float) = (0.809_017, 0.587_785_25)
    var direction: SIMD2<Float> = [0, -1]
    return (0..<10).map { corner in
      defer {
        direction = [cosine * direction.x - sine * direction.y, sine * direction.x + cosine * direction.y]
      }
      return direction * (corner % 2 == 0 ? 1.08 : 0.4536)
    }
  }()

  /// Distance of a point from the outline, negative inside; everything in units of the object's radius.
  static func distance(_ point: SIMD2<Float>, corners: [SIMD2<Float>]) -> Float {
    guard var previous = corners.last else { return length(point) - circleRadius }
    var least = Float.infinity
    var inside = false
    for corner in corners {
      let edge = corner - previous
      let to = point - previous
      let share = max(0, min(1, (to * edge).sum() / (edge * edge).sum()))
      least = min(least, length(to - edge * share))
      // A ray to the right crosses the outline an odd number of times from inside.
      if (corner.y > point.y) != (previous.y > point.y),
        point.x < previous.x + (point.y - previous.y) / edge.y * edge.x
      {
        inside.toggle()
      }
      previous = corner
    }
    return inside ? -least : least
  }

  /// Area and center of gravity in units of the object's radius.
  var moments: (area: Float, center: SIMD2<Float>) {
    guard var previous = corners.last else { return (Float.pi * Self.circleRadius * Self.circleRadius, [0, 0]) }
    var area: Float = 0
    var sum: SIMD2<Float> = [0, 0]
    for corner in corners {
      let cross = previous.x * corner.y - corner.x * previous.y
      area += cross / 2
      sum += (previous + corner) * (cross / 6)
      previous = corner
    }
    return (area, sum / area)
  }
}

private func length(_ vector: SIMD2<Float>) -> Float { (vector * vector).sum().squareRoot() }

/// Renders an object into `size` × `size` pixels: calls `paint` with each pixel that it touches and the share of it that it covers.
///
/// - Parameter edge: pixels from where it covers nothing to where it covers all; 1 is a sharp edge.
func cover(
  _ shape: SceneShape, _ placement: Scene.Placement, size: Int, edge: Float = 1,
  paint: (_ x: Int, _ y: Int, _ share: Float) -> Void
) {
  let corners = shape.corners
  let scale = placement.radius * Float(size)
  let center = placement.center * Float(size)
  let radius = scale * 1.1 + edge
  func range(_ middle: Float) -> Range<Int> {
    let low = max(0, Int((middle - radius).rounded(.down)))
    return low..<max(low, min(size, Int((middle + radius).rounded(.up))))
  }
  for y in range(center.y) {
    for x in range(center.x) {
      let point = (SIMD2(Float(x) + 0.5, Float(y) + 0.5) - center) / scale
      let share = 0.5 - SceneShape.distance(point, corners: corners) * scale / edge
      if share > 0 { paint(x, y, min(1, share)) }
    }
  }
}

extension Scene {
  /// The scene as an image of `size` × `size` pixels, edges smoothed.
  package func render(size: Int) -> Image {
    let paper = background.rgb
    var image = Image(width: size, height: size, (UInt8(paper.x), UInt8(paper.y), UInt8(paper.z)))
    for (object, placement) in zip(description.objects, placements) {
      let ink = object.color.rgb
      cover(object.shape, placement, size: size) { x, y, share in
        let start = (y * size + x) * 3
        for band in 0..<3 {
          let below = Float(image.pixels[start + band])
          image.pixels[start + band] = UInt8((below + share * (ink[band] - below)).rounded())
        }
      }
    }
    return image
  }
}
