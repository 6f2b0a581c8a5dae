/// How much of each pixel of an image an object covers.
struct Coverage {
  /// Shares, row after row.
  let shares: [Float]
  /// Their sum.
  let area: Float
  /// Pixels of a side.
  let size: Int
}

/// An ideal shape laid over an object.
struct ShapeFit {
  let shape: SceneShape
  private(set) var placement: Scene.Placement
  /// Pixels from where it covers nothing to where it covers all.
  private var edge: Float = 1
  /// Shared area over covered area.
  private(set) var value: Float = 0

  init(_ shape: SceneShape, _ placement: Scene.Placement, of object: Coverage) {
    (self.shape, self.placement) = (shape, placement)
    value = measured(on: object)
  }

  private func measured(on object: Coverage) -> Float {
    guard placement.radius > 0 else { return 0 }
    var (shared, rendered): (Float, Float) = (0, 0)
    cover(shape, placement, size: object.size, edge: edge) { x, y, share in
      rendered += share
      shared += min(share, object.shares[y * object.size + x])
    }
    return shared / (rendered + object.area - shared)
  }

  /// The same with its edges made softer, moved by parts of a pixel, and resized, as long as it fits better: a decoder's images are softer than
  /// scenes, which says nothing about shapes.
  func improved(on object: Coverage) -> ShapeFit {
    var best = self
    /// Whether the changed fit is better, and taken.
    func improves(_ change: (inout ShapeFit) -> Void) -> Bool {
      var next = best
      change(&next)
      next.value = next.measured(on: object)
      if next.value <= best.value { return false }
      best = next
      return true
    }
    for step in [0.5, 0.25] as [Float] {
      for edge in [1, 1.5, 2, 2.5, 3, 3.5] as [Float] where edge != best.edge { _ = improves { $0.edge = edge } }
      let move = step / Float(object.size)
      for direction in [-move, move] {
        while improves({ $0.placement.center.x += direction }) {}
        while improves({ $0.placement.center.y += direction }) {}
        while improves({ $0.placement.radius += direction }) {}
      }
    }
    return best
  }
}
