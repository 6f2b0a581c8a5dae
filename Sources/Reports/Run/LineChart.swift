import Watching

/// Curves of one or several runs, laid over each other. A run has the same color, dashes and marks in all charts.
struct LineChart {
  struct Line {
    /// Number of the run on the page.
    var run: Int
    /// Of the run.
    var name: String
    var curve: Curve?
    /// What was measured now and then.
    var marks: [Curve.Point] = []
    var restarts: [Restart] = []
  }

  /// A vertical line where a training was resumed.
  struct Restart {
    var step: Int
    var hint: String
  }

  enum Scale {
    case linear, fromZero
    /// Logarithmic where the values are far apart.
    case wide
  }

  var title: String
  /// Of the values, in hints.
  var unit = ""
  /// What is below: `step`, `rank`.
  var along = "step"
  var scale = Scale.linear
  var lines: [Line]
  /// Of values in hints.
  var text: (Double) -> String = NumberText.precise

  /// Bands of more runs would hide each other.
  static let mostBands = 3
  private static let mostRestarts = 60
  private static let hintCount = 48

  private var hasBands: Bool { lines.count <= Self.mostBands }

  /// Nil where there is nothing to show.
  var figure: HTML? {
    let all = lines.flatMap { ($0.curve?.columns ?? []) + $0.marks }
    guard let firstStep = all.map(\.firstStep).min(), let lastStep = all.map(\.lastStep).max() else { return nil }
    let steps = Double(min(firstStep, 1))...Double(max(lastStep, firstStep + 1))
    let axis = yAxis
    func x(_ step: Double) -> Double {
      let share = (step - steps.lowerBound) / (steps.upperBound - steps.lowerBound)
      return ChartFrame.left + (ChartFrame.right - ChartFrame.left) * min(max(share, 0), 1)
    }
    func y(_ value: Double) -> Double { ChartFrame.bottom - (ChartFrame.bottom - ChartFrame.top) * axis.share(value) }
    let grid = axis.ticks.map { ChartFrame.line(at: y($0.value), label: $0.label) }
    let step = max(1, NumberText.niceStep((steps.upperBound - steps.lowerBound) / 5))
    // What the axis counts stands where no number does.
    let ticks =
      [ChartFrame.Tick(position: 0, label: along)]
      + stride(from: (steps.lowerBound / step).rounded(.up) * step, through: steps.upperBound, by: step).map {
        ChartFrame.Tick(position: (x($0) - ChartFrame.left) / (ChartFrame.right - ChartFrame.left), label: NumberText.compact($0))
      }
    let parts = [
      grid, lines.compactMap { band($0, x, y) }, lines.map { restarts($0, x) }, lines.compactMap { curve($0, x, y) },
      lines.compactMap { marks($0, x, y) }, ChartFrame.axis(ticks), hints(steps, x),
    ]
    return """
      <figure><figcaption>\(title)</figcaption>
      \(ChartFrame.svg("\(title) by \(along)", parts.flatMap { $0 }))\(beyond(axis))</figure>

      """
  }

  // MARK: Range

  private var columns: [Curve.Point] { lines.flatMap { $0.curve?.columns ?? [] } }

  /// A few values that are far from all others are beyond the ends, for they would flatten the rest.
  private var yAxis: Axis {
    let means = lines.flatMap { $0.curve?.means ?? [] }.sorted()
    let lows = hasBands ? columns.map(\.minimum).sorted() : []
    let highs = hasBands ? columns.map(\.maximum).sorted() : []
    var values = lines.flatMap { $0.marks.map(\.mean) }
    for sorted in [means, lows, highs] where !sorted.isEmpty {
      values += sorted[sorted.count / 100...sorted.count * 99 / 100]
    }
    if let low = values.min(), let high = values.max() {
      // How far, in ranges of the others: the line may begin far above its end, as losses do.
      func near(_ ends: [Double], _ reach: Double) -> [Double] {
        [ends.first, ends.last].compactMap(\.self).filter {
          scale == .wide || low - reach * (high - low) <= $0 && $0 <= high + reach * (high - low)
        }
      }
      values += near(means, 4) + near(lows, 0.5) + near(highs, 0.5)
    }
    return Axis(values, hasZero: scale == .fromZero, mayBeLogarithmic: scale == .wide)
  }

  /// Names the values that the chart does not show.
  private func beyond(_ axis: Axis) -> HTML? {
    guard hasBands else { return nil }
    var notes: [String] = []
    if let most = columns.max(by: { $0.maximum < $1.maximum }), most.maximum > axis.high {
      notes.append("highest \(text(most.maximum)) near \(along) \(NumberText.grouped(most.lastStep))")
    }
    if let least = columns.min(by: { $0.minimum < $1.minimum }), least.minimum < axis.low {
      notes.append("lowest \(text(least.minimum)) near \(along) \(NumberText.grouped(least.lastStep))")
    }
    return notes.isEmpty ? nil : "<p class=\"facts\">beyond the chart: \(notes.joined(separator: ", "))</p>\n"
  }

  // MARK: Parts

  private func band(_ line: Line, _ x: (Double) -> Double, _ y: (Double) -> Double) -> HTML? {
    guard hasBands, let columns = line.curve?.columns, columns.count > 1, columns.contains(where: { $0.minimum < $0.maximum })
    else { return nil }
    let upper = columns.map { (x: x($0.center), y: y($0.maximum)) }
    let lower = columns.reversed().map { (x: x($0.center), y: y($0.minimum)) }
    return "<polygon class=\"band r\(line.run)\" points=\"\(ChartFrame.points(upper + lower))\"/>"
  }

  private func curve(_ line: Line, _ x: (Double) -> Double, _ y: (Double) -> Double) -> HTML? {
    guard let curve = line.curve, let first = curve.columns.first else { return nil }
    if curve.columns.count == 1 { return Marker.path(run: line.run, [(x(first.center), y(first.mean))]) }
    let points = zip(curve.columns, curve.means).map { (x: x($0.center), y: y($1)) }
    return "<polyline class=\"curve r\(line.run)\" points=\"\(ChartFrame.points(points))\"/>"
  }

  private func marks(_ line: Line, _ x: (Double) -> Double, _ y: (Double) -> Double) -> HTML? {
    if line.marks.isEmpty { return nil }
    let points = line.marks.map { (x: x($0.center), y: y($0.mean)) }
    return """
      <polyline class="measured r\(line.run)" points="\(ChartFrame.points(points))"/>\(Marker.path(run: line.run, points))
      """
  }

  private func restarts(_ line: Line, _ x: (Double) -> Double) -> HTML {
    let lines = line.restarts.suffix(Self.mostRestarts).map { restart -> HTML in
      """
      <line class="restart r\(line.run)" x1="\(x(Double(restart.step)))" x2="\(x(Double(restart.step)))" y1="\(ChartFrame.top)" \
      y2="\(ChartFrame.bottom)"><title>\(restart.hint)</title></line>
      """
    }
    return "\(lines)"
  }

  /// Areas that no one sees, with the values below them.
  private func hints(_ steps: ClosedRange<Double>, _ x: (Double) -> Double) -> [HTML] {
    let width = (steps.upperBound - steps.lowerBound) / Double(Self.hintCount)
    return (0..<Self.hintCount).compactMap { slot in
      let (start, end) = (steps.lowerBound + width * Double(slot), steps.lowerBound + width * Double(slot + 1))
      let texts = lines.compactMap { hint($0, from: start, to: end) }
      if texts.isEmpty { return nil }
      let place = "\(along) \(NumberText.grouped(Int(start.rounded(.up)))) to \(NumberText.grouped(Int(end.rounded(.up))))"
      return """
        <rect class="hint" x="\(x(start))" y="\(ChartFrame.top)" width="\(x(end) - x(start))" \
        height="\(ChartFrame.bottom - ChartFrame.top)"><title>\(([place] + texts).joined(separator: "\n"))</title></rect>
        """
    }
  }

  private func hint(_ line: Line, from start: Double, to end: Double) -> String? {
    let slot = start..<end
    func merged(_ points: [Curve.Point]) -> Curve.Point? {
      let near = points.filter { slot.contains($0.center) }
      return near.dropFirst().reduce(near.first) { $0?.merged(with: $1) }
    }
    var parts: [String] = []
    if let values = merged(line.curve?.columns ?? []) {
      let range = values.minimum < values.maximum ? " (\(text(values.minimum)) to \(text(values.maximum)))" : ""
      parts.append("\(text(values.mean))\(range)\(unit.isEmpty ? "" : " \(unit)")")
    }
    if let value = merged(line.marks) { parts.append("validation \(text(value.mean))") }
    if parts.isEmpty { return nil }
    return (lines.count > 1 ? "\(line.name): " : "") + parts.joined(separator: ", ")
  }
}
