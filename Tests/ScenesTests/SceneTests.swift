import Images
import Random
import Testing

@testable import Scenes

private let generator = SceneGenerator(seed: 3)

/// What a weak decoder does to an image: a 3 x 3 blur and noise of a standard deviation of about 12.
private func worn(_ image: Image, seed: UInt64) -> Image {
  var result = image
  var random = RandomStream(seed: seed, stream: 77)
  let size = image.width
  for y in 0..<size {
    for x in 0..<size {
      for band in 0..<3 {
        var sum: Float = 0
        for dy in -1...1 {
          for dx in -1...1 {
            let (i, j) = (min(max(x + dx, 0), size - 1), min(max(y + dy, 0), size - 1))
            sum += Float(image.pixels[(j * size + i) * 3 + band])
          }
        }
        let noise = (random.uniform() + random.uniform() - 1) * 30
        result.pixels[(y * size + x) * 3 + band] = UInt8(max(0, min(255, sum / 9 + noise)))
      }
    }
  }
  return result
}

@Suite struct SceneTests {
  @Test(arguments: [SceneSplit.training, .validation, .unseenPairs])
  func renderedScenesAreRight(_ split: SceneSplit) {
    for size in [32, 48, 64, 128] {
      for index in 0..<100 {
        let scene = generator.scene(index, split)
        let verdict = SceneChecker.check(scene.render(size: size), against: scene.description)
        #expect(verdict.isRight, "\(scene.caption) at \(size): \(verdict)")
      }
    }
  }

  @Test func wornScenesAreRight() {
    let right = (0..<400).count { index in
      let scene = generator.scene(index, .training)
      return SceneChecker.check(worn(scene.render(size: 64), seed: UInt64(index)), against: scene.description).isRight
    }
    #expect(right >= 396, "\(right) of 400")
  }

  /// Objects that overlap with no shape by more than 92 %: at most one of a hundred passes as some shape, at the size of any scene.
  @Test func distortedShapesAreRefused() {
    let wrong = DistortedShape.all.filter { $0.overlap <= 0.92 }
    #expect(wrong.count >= 40 && DistortedShape.Distortion.allCases.allSatisfy { kind in wrong.contains { $0.distortion == kind } })
    var random = RandomStream(seed: 5, stream: 1)
    var (rendered, accepted) = (0, [String]())
    for distorted in wrong {
      for size in [32, 48, 64] {
        for radius in [SceneSize.small.radius, SceneSize.large.radius] {
          for _ in 0..<2 {
            let center = SIMD2<Float>(random.uniform(), random.uniform()) * 0.2 + 0.4
            let color = SceneColor.allCases[random.integer(in: 0..<SceneColor.allCases.count)]
            rendered += 1
            let found = SceneChecker.objects(in: distorted.image(color, center: center, radius: radius, size: size))
            if let found, !found.isEmpty {
              accepted.append(
                "\(distorted.distortion) \(distorted.shape) \(distorted.other) at \(size) as \(found[0].object.shape), fit \(found[0].fit), lead \(found[0].lead)"
              )
            }
          }
        }
      }
    }
    #expect(100 * accepted.count <= rendered, "\(accepted.count) of \(rendered): \(accepted)")
  }

  @Test func everyWrongAttributeIsRefused() {
    for index in 0..<60 {
      let scene = generator.scene(index, .training)
      let image = scene.render(size: 64)
      for index in scene.description.objects.indices {
        var other = scene.description
        for shape in SceneShape.allCases where shape != scene.description.objects[index].shape {
          other.objects[index].shape = shape
          #expect(!SceneChecker.check(image, against: other).shapesAndColors, "\(scene.caption) as \(other.words)")
        }
        other = scene.description
        for color in SceneColor.allCases where color != scene.description.objects[index].color {
          other.objects[index].color = color
          #expect(!SceneChecker.check(image, against: other).shapesAndColors, "\(scene.caption) as \(other.words)")
        }
        other = scene.description
        other.objects[index].size = other.objects[index].size == .small ? .large : .small
        let verdict = SceneChecker.check(image, against: other)
        #expect(verdict.shapesAndColors && !verdict.sizes, "\(scene.caption) as \(other.words)")
      }
      if let relation = scene.description.relation {
        for wrong in SceneRelation.allCases where wrong != relation {
          var other = scene.description
          other.relation = wrong
          let verdict = SceneChecker.check(image, against: other)
          #expect(verdict.shapesAndColors && !verdict.relation, "\(scene.caption) as \(other.words)")
        }
        for object in scene.description.objects {
          #expect(!SceneChecker.check(image, against: SceneDescription(object)).shapesAndColors)
        }
      } else {
        let more = SceneDescription(scene.description.objects[0], .above, SceneObject(.small, .black, .square))
        #expect(!SceneChecker.check(image, against: more).shapesAndColors)
      }
    }
    let empty = Image(width: 64, height: 64, (200, 200, 200))
    #expect(!SceneChecker.check(empty, against: generator.scene(0, .training).description).shapesAndColors)
  }

  @Test func splitsAreApart() {
    let training = (0..<5000).map { generator.scene($0, .training) }
    let seen = Set(training.map(\.description.canonical))
    let pairs = Set(training.flatMap(\.description.objects).map { "\($0.color) \($0.shape)" })
    #expect(pairs.count == 43)
    for prompt in generator.evaluationPrompts(500, .validation) {
      #expect(!seen.contains(prompt.canonical))
      #expect(prompt.objects.allSatisfy { pairs.contains("\($0.color) \($0.shape)") })
    }
    for prompt in generator.evaluationPrompts(500, .unseenPairs) {
      #expect(prompt.objects.contains { !pairs.contains("\($0.color) \($0.shape)") })
    }
    #expect(Set(generator.evaluationPrompts(500, .validation).map(\.words)).count == 500)
  }

  @Test func aNumberAlwaysGivesTheSameScene() {
    #expect(generator.scene(17, .training) == SceneGenerator(seed: 3).scene(17, .training))
    #expect(generator.scene(17, .training) != SceneGenerator(seed: 4).scene(17, .training))
    let single = (0..<2000).count { generator.scene($0, .training).description.relation == nil }
    #expect((520...680).contains(single))  // 600 expected, standard deviation 20
  }

  @Test func objectsNeitherTouchNorLeaveTheImage() {
    for index in 0..<3000 {
      let scene = generator.scene(index, .training)
      for placement in scene.placements {
        #expect((placement.center - 1.08 * placement.radius).min() > 0.01)
        #expect((placement.center + 1.08 * placement.radius).max() < 0.99)
      }
      guard scene.placements.count == 2 else { continue }
      let away = scene.placements[0].center - scene.placements[1].center
      let gap = max(abs(away.x), abs(away.y)) - 1.08 * (scene.placements[0].radius + scene.placements[1].radius)
      #expect(gap > 0.01, "\(scene.caption)")
    }
  }

  @Test func shapesCoverTheirAreas() {
    for shape in SceneShape.allCases {
      var sum: Float = 0
      cover(shape, Scene.Placement(center: [0.5, 0.5], radius: 0.4), size: 400) { _, _, share in sum += share }
      let (area, _) = shape.moments
      #expect(abs(sum / (160 * 160) / area - 1) < 0.01, "\(shape)")
    }
  }
}
