/// What all charts have: their size, the lines behind them and the numbers at their sides. Colors come from the page's style.
enum ChartFrame {
  // In units that are about a pixel.
  static let width = 360.0
  static let height = 170.0
  static let left = 42.0
  static let right = 356.0
  static let top = 8.0
  static let bottom = 144.0

  /// A mark on the axis below a chart, at a share of its width.
  struct Tick {
    var position: Double
    var label: String
  }

  /// - Parameter name: what it shows, as its text alternative.
  static func svg(_ name: String, _ parts: [HTML]) -> HTML {
    """
    <svg viewBox="0 0 \(width) \(height)" role="img" aria-label="\(name)">\(parts)</svg>

    """
  }

  static func line(at y: Double, label: String) -> HTML {
    """
    <line class="grid" x1="\(left)" x2="\(right)" y1="\(y)" y2="\(y)"/>\
    <text x="\(left - 6)" y="\(y + 3.5)" text-anchor="end">\(label)</text>
    """
  }

  /// The line below a chart with its marks; marks too close to the next one are dropped.
  static func axis(_ ticks: [Tick]) -> [HTML] {
    var shown: [Tick] = []
    for tick in ticks.reversed() {
      let distance = Double(tick.label.count + (shown.last?.label.count ?? 0)) * 3 + 8
      if let next = shown.last, (next.position - tick.position) * (right - left) < distance { continue }
      shown.append(tick)
    }
    let line: HTML = """
      <line class="axis" x1="\(left)" x2="\(right)" y1="\(bottom)" y2="\(bottom)"/>
      """
    return [line]
      + shown.map { tick in
        let x = left + tick.position * (right - left)
        // The outermost stay inside the chart.
        let anchor = tick.position > 0.97 ? "end" : tick.position < 0.02 ? "start" : "middle"
        return """
          <text x="\(x)" y="\(bottom + 17)" text-anchor="\(anchor)">\(tick.label)</text>
          """
      }
  }

  /// The points of a line or an area.
  static func points(_ points: some Sequence<(x: Double, y: Double)>) -> String {
    points.map { "\(HTML.tenth($0.x)),\(HTML.tenth($0.y))" }.joined(separator: " ")
  }
}
