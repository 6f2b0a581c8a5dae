import Random

/// Colors of objects.
package enum SceneColor: String, CaseIterable, Codable, Sendable {
  case red, orange, yellow, green, blue, purple, brown, black

  package var rgb: SIMD3<Float> {
    switch self {
    case .red: [220, 40, 40]
    case .orange: [240, 140, 20]
    case .yellow: [245, 215, 40]
    case .green: [40, 160, 70]
    case .blue: [40, 90, 215]
    case .purple: [135, 60, 175]
    case .brown: [125, 75, 40]
    case .black: [25, 25, 25]
    }
  }
}

package enum SceneShape: String, CaseIterable, Codable, Sendable {
  case circle, square, triangle, diamond, cross, star
}

package enum SceneSize: String, CaseIterable, Codable, Sendable {
  case small, large

  /// Radius of an object as a share of the image's side.
  var radius: Float { self == .small ? 0.17 : 0.22 }
}

package enum SceneRelation: String, CaseIterable, Codable, Sendable {
  case above, below
  case leftOf = "left of"
  case rightOf = "right of"
}

package enum SceneBackground: String, CaseIterable, Codable, Sendable {
  case white, grey
  case lightBlue = "light blue"

  package var rgb: SIMD3<Float> {
    switch self {
    case .white: [245, 245, 245]
    case .grey: [200, 200, 200]
    case .lightBlue: [190, 220, 240]
    }
  }
}

/// An object as a caption describes it.
package struct SceneObject: Codable, Sendable, Hashable {
  package var size: SceneSize
  package var color: SceneColor
  package var shape: SceneShape

  package init(_ size: SceneSize, _ color: SceneColor, _ shape: SceneShape) {
    (self.size, self.color, self.shape) = (size, color, shape)
  }

  /// "a small red circle"
  var words: String { "a \(size.rawValue) \(color.rawValue) \(shape.rawValue)" }

  /// Whether the pair of color and shape never occurs in training: 5 of the 48 pairs. Each of these colors and shapes occurs with
  /// others.
  var isUnseenPair: Bool {
    switch (color, shape) {
    case (.red, .star), (.yellow, .square), (.green, .triangle), (.blue, .cross), (.purple, .circle): true
    default: false
    }
  }
}

/// The content of a caption: one object, or two and the relation of the first to the second.
package struct SceneDescription: Codable, Sendable, Hashable {
  package var objects: [SceneObject]
  /// Nil for one object.
  package var relation: SceneRelation?

  package init(_ object: SceneObject) { objects = [object] }

  package init(_ first: SceneObject, _ relation: SceneRelation, _ second: SceneObject) {
    objects = [first, second]
    self.relation = relation
  }

  /// "a small red circle above a large blue square"
  package var words: String {
    guard let relation else { return objects[0].words }
    return "\(objects[0].words) \(relation.rawValue) \(objects[1].words)"
  }

  /// The description with `above` or `left of`; "A above B" and "B below A" are the same image.
  package var canonical: SceneDescription {
    switch relation {
    case .below: SceneDescription(objects[1], .above, objects[0])
    case .rightOf: SceneDescription(objects[1], .leftOf, objects[0])
    default: self
    }
  }

  var hasUnseenPair: Bool { objects.contains(where: \.isUnseenPair) }

  /// Whether the description belongs to the validation split: a sixteenth of all, chosen by hash.
  var isValidation: Bool { stableHash(canonical.words) % 16 == 0 }
}

/// The same on every machine and in every process.
private func stableHash(_ text: String) -> UInt64 {
  let hash = fnv1a(text.utf8)
  return hash ^ hash >> 32
}
