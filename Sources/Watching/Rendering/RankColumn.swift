import Foundation

/// A column of the table of ranks.
struct RankColumn {
  var title: String
  var width: Int
  /// On narrow paper, those with the largest number are dropped first.
  var expendability: Int
  var isText = false
  var text: (RankView) -> String
  /// The median is shown of columns with a value.
  var value: ((RankView) -> Double?)?
  var format: (Double) -> String = { Texts.seconds($0) }

  func aligned(_ text: String) -> String {
    let text = DisplayWidth.prefix(text, width)
    let blanks = String(repeating: " ", count: width - DisplayWidth.of(text))
    return isText ? text + blanks : blanks + text
  }

  func median(_ ranks: [RankView]) -> String {
    guard let value else { return title == "host" ? "median" : "" }
    let sorted = ranks.compactMap(value).filter(\.isFinite).sorted()
    return sorted.isEmpty ? "" : format(sorted[(sorted.count - 1) / 2])
  }

  static func ratio(_ rank: RankView) -> String { rank.ratio.map { String(format: "%.2f", $0) } ?? "" }

  /// Those that have something to show and fit: with whole titles, or short ones, or without the least important columns.
  static func fitting(_ ranks: [RankView], on paper: Paper) -> [RankColumn] {
    func filled(hasWholeTitles: Bool) -> [RankColumn] {
      all(ranks, hasWholeTitles: hasWholeTitles).filter { column in
        column.value.map { value in ranks.contains { value($0) != nil } } ?? true
      }
    }
    var columns = filled(hasWholeTitles: true)
    if width(columns) > paper.columns { columns = filled(hasWholeTitles: false) }
    while width(columns) > paper.columns, columns.count > 2 {
      let last = columns.indices.max { columns[$0].expendability < columns[$1].expendability }!
      columns.remove(at: last)
    }
    return columns
  }

  private static func width(_ columns: [RankColumn]) -> Int { columns.reduce(columns.count - 1) { $0 + $1.width } }

  private static func all(_ ranks: [RankView], hasWholeTitles: Bool) -> [RankColumn] {
    let hostWidth = ranks.reduce(6) { max($0, min(hasWholeTitles ? 24 : 10, DisplayWidth.of($1.host))) }
    let stepWidth = ranks.reduce(4) { max($0, "\($1.step ?? 0)".count) }
    let steps = RankColumn(
      title: "step", width: stepWidth, expendability: 12, text: { $0.step.map(String.init) ?? "-" },
      value: { $0.step.map(Double.init) },
      format: { "\(Int($0))" })
    let memory = RankColumn(
      title: hasWholeTitles ? "memory" : "mem", width: hasWholeTitles ? 6 : 5, expendability: 10,
      text: { $0.memory.map(Texts.shortBytes) ?? "-" }, value: \.memory, format: Texts.shortBytes)
    let phases = [
      ("data", "data", 9), ("forward", "fwd", 6), ("backward", "bwd", 7), ("wait", "wait", 4), ("communicate", "comm", 8),
      ("update", "upd", 11), ("checkpoint", "ckpt", 13), ("other", "other", 14),
    ].map { phase, abbreviation, expendability in
      let title = hasWholeTitles ? phase : abbreviation
      return RankColumn(
        title: title, width: max(5, title.count), expendability: expendability, text: { Texts.seconds($0.phases[phase]) },
        value: { $0.phases[phase] })
    }
    let now = RankColumn(
      title: "now", width: 20, expendability: 16, isText: true,
      text: { rank in
        rank.phase.map { phase in phase + (rank.secondsInPhase.map { " \(Texts.duration($0))" } ?? "") } ?? "-"
      })
    return [
      RankColumn(title: "rank", width: max(4, "\(ranks.count - 1)".count), expendability: 0, text: { "\($0.rank)" }),
      RankColumn(title: "", width: 6, expendability: 1, isText: true, text: { $0.mark?.rawValue ?? "" }),
      RankColumn(title: "host", width: hostWidth, expendability: 2, isText: true, text: { $0.host.isEmpty ? "-" : $0.host }), steps,
      RankColumn(
        title: hasWholeTitles ? "s/step" : "total", width: hasWholeTitles ? 6 : 5, expendability: 3,
        text: { Texts.seconds($0.seconds) }, value: \.seconds),
    ] + phases + [
      RankColumn(
        title: hasWholeTitles ? "of median" : "of med", width: hasWholeTitles ? 9 : 6, expendability: 15, text: ratio,
        value: \.ratio,
        format: { _ in "" }),
      memory,
      RankColumn(title: "heard", width: 6, expendability: 5, text: { $0.heard.map(Texts.duration) ?? "-" }), now,
    ]
  }
}
