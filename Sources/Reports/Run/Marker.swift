/// Marks of runs: each has a shape that is known without its color.
enum Marker {
  /// A mark at each point, as one path.
  static func path(run: Int, _ points: [(x: Double, y: Double)]) -> HTML {
    let shapes = points.map { point in
      let (x, y) = (HTML.tenth(point.x), HTML.tenth(point.y))
      return switch run % 4 {
      case 0: "M\(x),\(y)m-2.6,0a2.6,2.6 0 1 0 5.2,0a2.6,2.6 0 1 0-5.2,0z"
      case 1: "M\(x),\(y)m-2.4,-2.4h4.8v4.8h-4.8z"
      case 2: "M\(x),\(y)m0,-3.2l3,5.4h-6z"
      default: "M\(x),\(y)m0,-3.4l3.2,3.4l-3.2,3.4l-3.2,-3.4z"
      }
    }
    return "<path class=\"mark r\(run)\" d=\"\(shapes.joined())\"/>"
  }
}

/// What legends show beside their words.
enum Key {
  /// A run's line and mark.
  static func run(_ run: Int) -> HTML { svg(32, "\(line("curve r\(run)"))\(Marker.path(run: run, [(16, 6)]))") }
  static let training = svg(
    32, "<rect class=\"band r0\" x=\"1\" y=\"1\" width=\"30\" height=\"10\"/>\(line("curve r0"))")
  static let validation = svg(32, "\(line("measured r0"))\(Marker.path(run: 0, [(16, 6)]))")
  static let restart = svg(12, "<line class=\"restart\" x1=\"6\" x2=\"6\" y1=\"0\" y2=\"12\"/>")

  private static func line(_ kind: String) -> HTML { "<line class=\"\(kind)\" x1=\"1\" x2=\"31\" y1=\"6\" y2=\"6\"/>" }

  private static func svg(_ width: Int, _ body: HTML) -> HTML {
    """
    <svg class="key" viewBox="0 0 \(width) 12" width="\(width)" height="12" aria-hidden="true">\(body)</svg>
    """
  }
}
