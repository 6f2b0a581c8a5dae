import Foundation

/// Charts of a dataset's report, as SVG.
enum Chart {
  private typealias Tick = ChartFrame.Tick

  private static let left = ChartFrame.left
  private static let right = ChartFrame.right
  private static let top = ChartFrame.top
  private static let bottom = ChartFrame.bottom

  /// - Parameters:
  ///   - name: what is counted, as the chart's text alternative.
  ///   - unit: of the numbers, in the bars' hints.
  static func bars(_ histogram: Histogram, name: String, unit: String) -> HTML {
    let bars = shown(histogram)
    let most = Double(bars.map(\.count).max()!)
    let slot = (right - left) / Double(bars.count)
    let body = bars.enumerated().map { index, bar -> HTML in
      if bar.count == 0 { return "" }
      let size = max(1, (bottom - top) * Double(bar.count) / most)
      let gap = min(2, slot / 6)
      let kind = bar.to == nil || bar.from == 0 && histogram.scale == .ratio ? "bar rest" : "bar"
      let hint = "\(range(bar, histogram.scale)) \(unit): \(NumberText.grouped(bar.count))"
      return """
        <rect class="\(kind)" x="\(left + Double(index) * slot + gap / 2)" y="\(bottom - size)" width="\(slot - gap)" \
        height="\(size)"><title>\(hint)</title></rect>
        """
    }
    let step = NumberText.niceStep(max(1, most / 3))
    let lines = stride(from: step, through: most, by: step).map { value in
      ChartFrame.line(at: bottom - (bottom - top) * value / most, label: NumberText.compact(value))
    }
    return ChartFrame.svg(name, [lines, body, ChartFrame.axis(ticks(bars, histogram.scale))].flatMap { $0 })
  }

  /// How often codes are used by rank, on a logarithmic scale; 1 is what each would have if all were used equally.
  static func curve(_ codes: CodeStatistics, name: String) -> HTML {
    let vocabulary = Double(codes.vocabulary)
    let uses = codes.curve.map { (rank: $0.rank, use: $0.share * vocabulary) }
    let (low, high) = (log10(min(1, uses.last!.use)) - 0.1, log10(max(1, uses.first!.use)) + 0.1)
    func y(_ use: Double) -> Double { bottom - (bottom - top) * (log10(use) - low) / (high - low) }
    func x(_ rank: Int) -> Double { left + (right - left) * (Double(rank) - 0.5) / vocabulary }
    // Powers of ten alone, unless they are too few.
    let digits = high - low > 2 ? [1.0] : [1, 2, 5]
    let values = (Int(low.rounded(.down))...Int(high.rounded(.up))).flatMap { power in
      digits.map { (power: power, value: $0 * pow(10, Double(power))) }
    }
    let lines = values.filter { (low...high).contains(log10($0.value)) }.map { power, value in
      ChartFrame.line(at: y(value), label: power < -2 ? "10" + NumberText.superscript(power) : NumberText.compact(value))
    }
    let points = ChartFrame.points(uses.map { (x: x($0.rank), y: y($0.use)) })
    let (first, last) = (x(uses.first!.rank), x(uses.last!.rank))
    let step = max(1, NumberText.niceStep(vocabulary / 5))
    let ticks = stride(from: 0, through: vocabulary, by: step).map {
      Tick(position: $0 / vocabulary, label: NumberText.grouped(Int($0)))
    }
    let chart: HTML = """
      <polygon class="area" points="\(first),\(bottom) \(points) \(last),\(bottom)"/>
      <polyline class="curve" points="\(points)"/>
      <line class="even" x1="\(left)" x2="\(right)" y1="\(y(1))" y2="\(y(1))"/>
      <text class="note" x="\(right)" y="\(y(1) - 4)" text-anchor="end">if all were used equally</text>
      """
    return ChartFrame.svg(name, [lines, [chart], ChartFrame.axis(ticks)].flatMap { $0 })
  }

  // MARK: Histograms

  /// The bars that are shown: of ratios those around the middle, up to the farthest that is not empty, equally many on both sides.
  private static func shown(_ histogram: Histogram) -> [Histogram.Bar] {
    guard histogram.scale == .ratio else { return histogram.bars }
    let middle = histogram.bars.count / 2
    let farthest = histogram.bars.indices.filter { histogram.bars[$0].count > 0 }.map { abs($0 - middle) }.max() ?? 0
    let shown = max(farthest, 8)
    return Array(histogram.bars[middle - shown...middle + shown])
  }

  private static func ticks(_ bars: [Histogram.Bar], _ scale: Histogram.Scale) -> [Tick] {
    let count = Double(bars.count)
    switch scale {
    case .linear:
      let first = bars[0].from
      let width = bars[0].to.map { $0 - first } ?? 1
      let open = bars.last!.to == nil ? 1 : 0
      let end = first + width * Double(bars.count - open)
      let step = max(width, NumberText.niceStep((end - first) / 6))
      // Bars of one number are named in their middle, others at their edges.
      let shift = width == 1 ? 0.5 : 0
      var ticks: [Tick] = []
      var value = (first / step).rounded(.up) * step
      while value < end || value == end && shift == 0 && open == 0 {
        ticks.append(Tick(position: ((value - first) / width + shift) / count, label: NumberText.compact(value)))
        value += step
      }
      if open == 1 { ticks.append(Tick(position: (count - 0.5) / count, label: "more")) }
      return ticks
    case .octaves:
      let edges = bars.map(\.from) + [bars.last!.to!]
      var ticks = edges.enumerated().filter { log2($0.element).isNearlyWhole }.map {
        Tick(position: Double($0.offset) / count, label: NumberText.grouped(Int($0.element.rounded())))
      }
      if ticks.count < 2 {
        ticks = [0, bars.count].map { Tick(position: Double($0) / count, label: NumberText.grouped(Int(edges[$0].rounded()))) }
      }
      return ticks
    case .ratio:
      let middle = bars.count / 2
      return stride(from: -16, through: 16, by: 8).filter { abs($0) <= middle }.map {
        Tick(position: (Double(middle + $0) + 0.5) / count, label: NumberText.ratio(exp2(Double($0) / 8)))
      }
    }
  }

  /// The range of a bar.
  private static func range(_ bar: Histogram.Bar, _ scale: Histogram.Scale) -> String {
    if scale == .ratio {
      guard let to = bar.to else { return "above \(NumberText.ratio(bar.from))" }
      return bar.from == 0 ? "below \(NumberText.ratio(to))" : "\(NumberText.ratio(bar.from)) to \(NumberText.ratio(to))"
    }
    let first = Int(bar.from.rounded(.up))
    guard let to = bar.to else { return "\(NumberText.grouped(first)) and more" }
    let last = Int(to.rounded(.up)) - 1
    return last <= first ? NumberText.grouped(first) : "\(NumberText.grouped(first))–\(NumberText.grouped(last))"
  }
}

extension Double {
  fileprivate var isNearlyWhole: Bool { abs(self - rounded()) < 1e-9 }
}
