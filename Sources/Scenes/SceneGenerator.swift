import Random

/// The content of an image: its description, its objects' positions, its background and its caption.
package struct Scene: Sendable, Equatable {
  /// Position and size of an object, in shares of the image's side; y grows downwards.
  package struct Placement: Sendable, Equatable {
    package var center: SIMD2<Float>
    package var radius: Float
  }

  package var description: SceneDescription
  package var placements: [Placement]
  package var background: SceneBackground
  package var caption: String
}

/// Which scenes are generated.
package enum SceneSplit: UInt64, Sendable {
  /// Neither descriptions of the validation split nor unseen pairs.
  case training
  /// Descriptions that never occur in training; each of their (color, shape) pairs does.
  case validation
  /// Each has at least one (color, shape) pair that never occurs in training.
  case unseenPairs
}

/// Scenes by number. A scene depends on the seed, the split and the number alone.
package struct SceneGenerator: Sendable {
  private let seed: UInt64

  package init(seed: UInt64) { self.seed = seed }

  package func scene(_ index: Int, _ split: SceneSplit) -> Scene {
    var random = RandomStream(seed: seed, 0x5343_454E, split.rawValue, UInt64(index))  // "SCEN"
    var description: SceneDescription
    repeat { description = Self.description(using: &random) } while !Self.belongs(description, to: split)
    let background = SceneBackground.allCases.randomElement(using: &random)!
    let paper = background.rawValue
    let suffix =
      switch random.uniform() {
      case ..<0.5: ""
      case ..<0.7: " on \(paper) paper"
      case ..<0.9: " on a \(paper) background"
      default: ", \(paper) behind"
      }
    return Scene(
      description: description, placements: Self.placements(of: description), background: background,
      caption: description.words + suffix)
  }

  /// Prompts to test a model with: `count` different descriptions, in plain words.
  package func evaluationPrompts(_ count: Int, _ split: SceneSplit) -> [SceneDescription] {
    var chosen: [SceneDescription] = []
    var known: Set<SceneDescription> = []
    var index = 0
    // A million tries: there are thousands of descriptions in the validation split.
    while chosen.count < count && index < 1_000_000 {
      let description = scene(index, split).description
      if known.insert(description.canonical).inserted { chosen.append(description) }
      index += 1
    }
    return chosen
  }

  private static func belongs(_ description: SceneDescription, to split: SceneSplit) -> Bool {
    switch split {
    case .training: !description.isValidation && !description.hasUnseenPair
    case .validation: description.isValidation && !description.hasUnseenPair
    case .unseenPairs: description.hasUnseenPair
    }
  }

  private static func description(using random: inout RandomStream) -> SceneDescription {
    let first = object(using: &random)
    if random.uniform() < 0.3 { return SceneDescription(first) }
    var second = object(using: &random)
    // Twice the same color and shape would not tell which object the relation means.
    while second.color == first.color && second.shape == first.shape { second = object(using: &random) }
    return SceneDescription(first, SceneRelation.allCases.randomElement(using: &random)!, second)
  }

  private static func object(using random: inout RandomStream) -> SceneObject {
    SceneObject(
      SceneSize.allCases.randomElement(using: &random)!, SceneColor.allCases.randomElement(using: &random)!,
      SceneShape.allCases.randomElement(using: &random)!)
  }

  /// One object is in the middle; two are on either side of it. The distance leaves a gap between the largest objects and to
  /// the border.
  ///
  /// Positions are not random: whatever the caption does not describe is noise to the transformer, and in the few minutes of the
  /// demo it would not learn what the relation means.
  private static func placements(of description: SceneDescription) -> [Scene.Placement] {
    let distance: Float = 0.25
    let away: [SIMD2<Float>] =
      switch description.relation {
      case nil: [[0, 0]]
      case .above: [[0, -distance], [0, distance]]
      case .below: [[0, distance], [0, -distance]]
      case .leftOf: [[-distance, 0], [distance, 0]]
      case .rightOf: [[distance, 0], [-distance, 0]]
      }
    return zip(description.objects, away).map { object, away in
      Scene.Placement(center: SIMD2(0.5, 0.5) + away, radius: object.size.radius)
    }
  }
}
