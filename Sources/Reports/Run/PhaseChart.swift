import Watching

/// Where the time of a step went over a training: areas of the phases, one upon the other, as means of the ranks.
struct PhaseChart {
  private let stage: StageRecord

  init(_ stage: StageRecord) { self.stage = stage }

  /// Nil where there are too few steps for a curve.
  var figure: HTML? {
    let curves = stage.ranks.phases.map { Curve($0, isSmooth: false).columns }
    // All phases of a line have the same step, so their columns are the same.
    let columns = curves.max { $0.count < $1.count } ?? []
    guard columns.count > 1, let first = columns.first?.center, let last = columns.last?.center else { return nil }
    var tops = [[Double]](repeating: [Double](repeating: 0, count: columns.count), count: curves.count + 1)
    for (number, curve) in curves.enumerated() {
      for index in columns.indices {
        tops[number + 1][index] = tops[number][index] + (curve.count == columns.count ? max(0, curve[index].mean) : 0)
      }
    }
    let axis = Axis(tops[curves.count], hasZero: true)
    func x(_ step: Double) -> Double {
      ChartFrame.left + (ChartFrame.right - ChartFrame.left) * (step - first) / (last - first)
    }
    func y(_ seconds: Double) -> Double { ChartFrame.bottom - (ChartFrame.bottom - ChartFrame.top) * axis.share(seconds) }
    let areas = curves.indices.compactMap { number -> HTML? in
      guard curves[number].contains(where: { $0.mean > 0 }) else { return nil }
      let upper = columns.indices.map { (x: x(columns[$0].center), y: y(tops[number + 1][$0])) }
      let lower = columns.indices.reversed().map { (x: x(columns[$0].center), y: y(tops[number][$0])) }
      return """
        <polygon class="layer p\(number)" points="\(ChartFrame.points(upper + lower))"><title>\(RankTimes.phases[number])</title></polygon>
        """
    }
    let step = max(1, NumberText.niceStep((last - first) / 5))
    let ticks =
      [ChartFrame.Tick(position: 0, label: "step")]
      + stride(from: (first / step).rounded(.up) * step, through: last, by: step).map {
        ChartFrame.Tick(position: ($0 - first) / (last - first), label: NumberText.compact($0))
      }
    let grid = axis.ticks.map { ChartFrame.line(at: y($0.value), label: $0.label) }
    let title = "Seconds per step: mean of the ranks"
    return """
      <figure><figcaption>\(title)</figcaption>
      \(ChartFrame.svg("\(title), by what they did", [grid, areas, ChartFrame.axis(ticks)].flatMap { $0 }))</figure>

      """
  }
}
