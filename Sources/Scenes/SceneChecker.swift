import Images

/// An object that was found in an image.
package struct FoundObject: Sendable, Equatable {
  package var object: SceneObject
  /// Center in shares of the image's side.
  package var center: SIMD2<Float>
  /// How well the best shape fits: shared area over covered area.
  package var fit: Float
  /// How much better it fits than the next one.
  package var lead: Float
}

/// Which parts of a description an image shows.
package struct SceneVerdict: Sendable, Equatable {
  /// Exactly the described shapes, each in its color.
  package var shapesAndColors: Bool
  /// And in the right size.
  package var sizes: Bool
  /// And the first as described to the second; true for one object.
  package var relation: Bool
  package var isRight: Bool { shapesAndColors && sizes && relation }
}

/// Finds the objects of an image and compares them with a description. Works on rendered scenes and on a model's images, which are
/// softer.
package enum SceneChecker {
  /// Distance from the background, in RGB, from which a pixel belongs to an object.
  private static let contrast: Float = 60
  /// Largest distance between an object's color and the palette's.
  private static let colorTolerance: Float = 70
  /// Share of the image below which a component is ignored as a speck. The smallest object covers 3 %.
  private static let speck: Float = 0.004
  /// Least fit of a shape. What the demo's dVAE decodes of scenes with unseen pairs of color and shape fits by 0.88 and more in 995 of 1,000
  /// images, a kite fits a diamond by 0.907.
  private static let leastFit: Float = 0.88
  /// Least lead over the next shape. Of the dVAE's images 995 of 1,000 have 0.089 and more, a kite's diamond leads over a circle by 0.081.
  private static let leastLead: Float = 0.085

  package static func check(_ image: Image, against description: SceneDescription) -> SceneVerdict {
    guard var unmatched = objects(in: image), unmatched.count == description.objects.count else {
      return SceneVerdict(shapesAndColors: false, sizes: false, relation: false)
    }
    // In the order of the description.
    var matched: [FoundObject] = []
    for object in description.objects {
      guard let index = unmatched.firstIndex(where: { $0.object.color == object.color && $0.object.shape == object.shape })
      else { return SceneVerdict(shapesAndColors: false, sizes: false, relation: false) }
      matched.append(unmatched.remove(at: index))
    }
    let sizes = zip(matched, description.objects).allSatisfy { $0.object.size == $1.size }
    return SceneVerdict(shapesAndColors: true, sizes: sizes, relation: satisfies(description.relation, matched))
  }

  /// The objects in a square image; nil if it has a component that is no object.
  package static func objects(in image: Image) -> [FoundObject]? {
    precondition(image.width == image.height, "a scene of \(image.width) x \(image.height)")
    let size = image.width
    let pixels = (0..<size * size).map { index in
      SIMD3<Float>(SIMD3<UInt8>(image.pixels[3 * index], image.pixels[3 * index + 1], image.pixels[3 * index + 2]))
    }
    let paper = background(pixels, size)
    let components = components(pixels.map { distance($0, paper) > contrast }, size)
      .filter { Float($0.count) >= speck * Float(size * size) }
    var owner = [Int](repeating: -1, count: size * size)
    for (number, component) in components.enumerated() { for pixel in component { owner[pixel] = number } }
    var found: [FoundObject] = []
    for (number, component) in components.enumerated() {
      guard let object = recognise(component, number, owner, pixels, paper, size) else { return nil }
      found.append(object)
    }
    return found
  }

  private static func satisfies(_ relation: SceneRelation?, _ found: [FoundObject]) -> Bool {
    guard let relation else { return true }
    let away = found[0].center - found[1].center
    // Along the axis, more than across it, and by a good part of the usual distance.
    switch relation {
    case .above: return -away.y > max(0.15, abs(away.x))
    case .below: return away.y > max(0.15, abs(away.x))
    case .leftOf: return -away.x > max(0.15, abs(away.y))
    case .rightOf: return away.x > max(0.15, abs(away.y))
    }
  }

  /// The median of the border, where no object is.
  private static func background(_ pixels: [SIMD3<Float>], _ size: Int) -> SIMD3<Float> {
    let last = size - 1
    let border = (0..<size).flatMap { (i: Int) -> [Int] in [i, last * size + i, i * size, i * size + last] }
    return median(border.map { pixels[$0] })
  }

  private static func recognise(
    _ component: [Int], _ number: Int, _ owner: [Int], _ pixels: [SIMD3<Float>], _ paper: SIMD3<Float>, _ size: Int
  ) -> FoundObject? {
    // The color: of pixels whose neighbours belong to the object too, if it has some.
    let inner = component.filter { pixel in neighbours(pixel, size).allSatisfy { owner[$0] == number } }
    let ink = median((inner.isEmpty ? component : inner).map { pixels[$0] })
    let color = SceneColor.allCases.min { distance($0.rgb, ink) < distance($1.rgb, ink) }!
    guard distance(color.rgb, ink) <= colorTolerance else { return nil }

    // How much of each pixel the object covers: where its color is between the background's and the object's.
    var shares = [Float](repeating: 0, count: size * size)
    var gravity = SIMD2<Float>(0, 0)
    let contrast = ink - paper
    let strength: Float = (contrast * contrast).sum()
    for pixel in Set(component + component.flatMap { neighbours($0, size) }).sorted()
    where owner[pixel] == number || owner[pixel] < 0 {
      let along: Float = ((pixels[pixel] - paper) * contrast).sum()
      shares[pixel] = max(0, min(1, along / strength))
      gravity += (SIMD2(Float(pixel % size), Float(pixel / size)) + 0.5) * shares[pixel]
    }
    let area = shares.reduce(0, +) / Float(size * size)
    gravity /= area * Float(size * size * size)

    // Each shape, with the same area and center of gravity, and those that may fit where they fit best.
    let coverage = Coverage(shares: shares, area: area * Float(size * size), size: size)
    let first = SceneShape.allCases.map { shape in
      let (unitArea, unitCenter) = shape.moments
      let radius = (area / unitArea).squareRoot()
      return ShapeFit(shape, Scene.Placement(center: gravity - unitCenter * radius, radius: radius), of: coverage)
    }
    let highest = first.map(\.value).max()!
    // No shape gains as much as a fifth by being moved.
    let candidates = first.map { $0.value > highest - 0.2 ? $0.improved(on: coverage) : $0 }.sorted { $0.value > $1.value }
    let (best, lead) = (candidates[0], candidates[0].value - candidates[1].value)
    guard best.value >= leastFit, lead >= leastLead else { return nil }
    // The border between small and large is their geometric mean.
    let border = (SceneSize.small.radius * SceneSize.large.radius).squareRoot()
    return FoundObject(
      object: SceneObject(best.placement.radius < border ? .small : .large, color, best.shape), center: best.placement.center,
      fit: best.value, lead: lead)
  }

  /// Connected components: sets of pixels that touch by their sides.
  private static func components(_ mask: [Bool], _ size: Int) -> [[Int]] {
    var left = mask
    var components: [[Int]] = []
    for start in mask.indices where left[start] {
      left[start] = false
      var component = [start]
      var next = 0
      while next < component.count {
        for pixel in neighbours(component[next], size) where left[pixel] {
          left[pixel] = false
          component.append(pixel)
        }
        next += 1
      }
      components.append(component)
    }
    return components
  }

  private static func neighbours(_ pixel: Int, _ size: Int) -> [Int] {
    let (y, x) = pixel.quotientAndRemainder(dividingBy: size)
    var result: [Int] = []
    if x > 0 { result.append(pixel - 1) }
    if x < size - 1 { result.append(pixel + 1) }
    if y > 0 { result.append(pixel - size) }
    if y < size - 1 { result.append(pixel + size) }
    return result
  }

  private static func median(_ colors: [SIMD3<Float>]) -> SIMD3<Float> {
    func middle(_ band: Int) -> Float { colors.map { $0[band] }.sorted()[colors.count / 2] }
    return [middle(0), middle(1), middle(2)]
  }

  private static func distance(_ a: SIMD3<Float>, _ b: SIMD3<Float>) -> Float {
    ((a - b) * (a - b)).sum().squareRoot()
  }
}
