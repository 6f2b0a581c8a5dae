import Files
import Watching

/// Where each rank's time went, and its memory.
extension RunsPage {
  /// Ranks that are all listed.
  private static let listedCount = 24
  /// Of more ranks: the slowest and the fastest that are listed.
  private static let slowestCount = 10
  private static let fastestCount = 3

  var time: HTML? {
    let parts = runs.enumerated().flatMap { index, run in
      run.stages.filter { !$0.ranks.isEmpty }.map { part(index, $0) }
    }
    if parts.isEmpty { return nil }
    let keys = RankTimes.phases.enumerated().map { number, phase -> HTML in
      "<span><i class=\"phase p\(number)\"></i> \(phase)</span>\n"
    }
    return """
      <p class="legend">
      \(keys)</p>
      <p class="note">Seconds per step by what a rank did, as means over the whole training. What a slow rank costs the others shows in \
      their <b>wait</b>; the slow one waits least. In <b>communicate</b> ranks sum gradients, in <b>checkpoint</b> they wait until a \
      checkpoint’s values are read; <b>update</b> is optimizer, EMA and compute copy. A rank’s line ends with its seconds per step and \
      the most memory that it had.</p>
      \(parts)\(memory)
      """
  }

  /// Memory of the ranks by step, a chart for each stage.
  private var memory: HTML? {
    let charts = stages.compactMap { name in
      let lines = runs.enumerated().compactMap { index, run -> LineChart.Line? in
        guard let stage = run.stages.first(where: { $0.name == name }), !stage.ranks.memory.points.isEmpty else { return nil }
        return LineChart.Line(run: index, name: names[index], curve: Curve(stage.ranks.memory.inGB, isSmooth: false))
      }
      return LineChart(title: "Memory per rank, in GB: \(name)", unit: "GB", scale: .fromZero, lines: lines).figure
    }
    if charts.isEmpty { return nil }
    return """
      <h3 class="run">Memory</h3>
      <p class="note">What a rank had resident: mean of the ranks, and from the least to the most.</p>
      <div class="charts">
      \(charts)</div>

      """
  }

  private func part(_ index: Int, _ stage: StageRecord) -> HTML {
    let ranks = stage.ranks
    let order = ranks.slowestFirst
    let total = order.map { ranks.seconds(rank: $0).reduce(0, +) }.max() ?? 0
    let title: HTML = runs.count == 1 ? "\(stage.name)" : "\(label(index)): \(stage.name)"
    func rows(_ shown: some Sequence<Int>) -> [HTML] { shown.map { row($0, stage, of: total) } }
    let body: HTML
    if ranks.count <= Self.listedCount {
      body = "\(rows(0..<ranks.count))"
    } else {
      let median = order[ranks.count / 2]
      body = """
        <p class="group">the \(Self.slowestCount) that compute longest</p>
        \(rows(order.prefix(Self.slowestCount)))<p class="group">the median</p>
        \(rows([median]))<p class="group">the \(Self.fastestCount) that compute shortest</p>
        \(rows(order.suffix(Self.fastestCount)))
        """
    }
    let charts = [
      PhaseChart(stage).figure,
      ranks.count > Self.listedCount
        ? byRank("Seconds per step without waiting, by rank", index, ranks) { ranks.busy(rank: $0) } : nil,
      ranks.count > Self.listedCount
        ? byRank("Most memory, by rank, in GB", index, ranks, unit: "GB") { ranks.peakMemory[$0] / 1e9 } : nil,
    ].compactMap(\.self)
    return """
      <h3 class="run">\(title) <span class="count">\(NumberText.amount(ranks.count, "rank"))</span></h3>
      \(summary(ranks, order, stage))<div class="timing"><div>
      \(body)</div>
      <div>
      \(charts)</div></div>

      """
  }

  /// What the bars tell, in words.
  private func summary(_ ranks: RankTotals, _ order: [Int], _ stage: StageRecord) -> HTML {
    let all = ranks.steps.indices.map { ranks.seconds(rank: $0) }
    let sum = all.reduce(0) { $0 + $1.reduce(0, +) }
    let wait = RankTimes.phases.firstIndex(of: "wait").map { index in all.reduce(0) { $0 + $1[index] } } ?? 0
    var sentences: [String] = []
    if ranks.count > 1, sum > 0, let slowest = order.first {
      let median = ranks.busy(rank: order[ranks.count / 2])
      let ratio = median > 0 ? ranks.busy(rank: slowest) / median : 1
      sentences.append("Ranks waited for others \(NumberText.percent(wait / sum)) of the time.")
      let part = ratio < 1.05 ? "about as long as the median" : "\(NumberText.short(ratio)) times the median"
      let longest = "\(name(slowest, stage)) computed longest, \(DateText.ofStep(ranks.busy(rank: slowest))) per step"
      sentences.append("\(longest), which is \(part).")
    }
    if let most = ranks.peakMemory.indices.max(by: { ranks.peakMemory[$0] < ranks.peakMemory[$1] }), ranks.peakMemory[most] > 0 {
      let all = ranks.peakMemory.reduce(0, +)
      sentences.append(
        "Most memory: \(NumberText.bytes(ranks.peakMemory[most])) (\(name(most, stage, isFirst: false))), \(NumberText.bytes(all)) on all ranks together."
      )
    }
    let steps = Set(ranks.steps)
    if steps.count > 1 {
      sentences.append("The number of ranks changed during the run: each is shown over the steps in which it took part.")
    }
    return sentences.isEmpty ? "" : "<p class=\"note\">\(sentences.joined(separator: " "))</p>\n"
  }

  private func name(_ rank: Int, _ stage: StageRecord, isFirst: Bool = true) -> String {
    let host = stage.beginnings.last?.host(of: rank)
    return "\(isFirst ? "Rank" : "rank") \(rank)\(host.map { " on \($0)" } ?? "")"
  }

  private func row(_ rank: Int, _ stage: StageRecord, of longest: Double) -> HTML {
    let seconds = stage.ranks.seconds(rank: rank)
    let total = seconds.reduce(0, +)
    let parts = seconds.enumerated().filter { $0.element > 0 }.map { number, value -> HTML in
      let hint = "\(RankTimes.phases[number]): \(DateText.ofStep(value)), \(NumberText.percent(value / total))"
      return """
        <i class="phase p\(number)" style="width:\(hundredths(100 * value / max(longest, 1e-12)))%" title="\(hint)"></i>
        """
    }
    let memory = stage.ranks.peakMemory[rank]
    return """
      <div class="rank"><span>\(name(rank, stage, isFirst: false))</span><span class="phases">\(parts)</span>\
      <span>\(DateText.ofStep(total))</span><span>\(memory > 0 ? NumberText.bytes(memory) : "-")</span></div>

      """
  }

  /// A chart in which each rank is seen.
  private func byRank(_ title: String, _ index: Int, _ ranks: RankTotals, unit: String = "s", _ value: (Int) -> Double) -> HTML? {
    var series = ThinnedSeries()
    for rank in ranks.steps.indices { series.add(value(rank), step: rank) }
    return LineChart(
      title: title, unit: unit, along: "rank", scale: .wide,
      lines: [LineChart.Line(run: index, name: names[index], curve: Curve(series, isSmooth: false))]
    ).figure
  }
}

/// A share of a width: `12.34`.
private func hundredths(_ value: Double) -> String {
  let hundredths = Int((min(max(value, 0), 100) * 100).rounded())
  return "\(hundredths / 100).\(zeroPadded(hundredths % 100, digits: 2))"
}

extension ThinnedSeries {
  fileprivate var inGB: ThinnedSeries {
    var series = ThinnedSeries()
    for var point in points {
      (point.mean, point.minimum, point.maximum) = (point.mean / 1e9, point.minimum / 1e9, point.maximum / 1e9)
      series.add(point)
    }
    return series
  }
}
