/// The table of ranks.
struct RankTable {
  private let ranks: [RankView]
  private let columns: [RankColumn]
  private let paper: Paper

  init(_ ranks: [RankView], on paper: Paper) {
    (self.ranks, self.paper) = (ranks, paper)
    columns = RankColumn.fitting(ranks, on: paper)
  }

  /// Titles, and the medians of several ranks.
  var header: [StyledLine] {
    guard !ranks.isEmpty else { return [] }
    let titles = columns.map { StyledLine($0.aligned($0.title), .faint) }
    return [joined(titles)] + (ranks.count > 1 ? [joined(columns.map { StyledLine($0.aligned($0.median(ranks)), .faint) })] : [])
  }

  /// Lines for some of the ranks: in their order where all fit into `count` lines, or else with those first that somebody should
  /// look at.
  func rows(_ range: Range<Int>, fitting count: Int) -> [StyledLine] {
    let ordered = ranks.count <= count ? ranks : ranks.sorted { ($0.urgency, $1.rank) > ($1.urgency, $0.rank) }
    return ordered[range.clamped(to: ordered.indices)].map { rank in
      joined(columns.map { StyledLine($0.aligned($0.text(rank)), rank.style) })
    }
  }

  private func joined(_ cells: [StyledLine]) -> StyledLine {
    cells.dropFirst().reduce(cells.first ?? StyledLine()) { $0 + StyledLine(" ") + $1 }.cut(to: paper.columns, paper)
  }

  /// How many ranks there are, on how many hosts, and which are slow or silent.
  static func summary(_ ranks: [RankView], on paper: Paper) -> [StyledLine] {
    guard !ranks.isEmpty else { return [] }
    var flow = Flow()
    let hosts = Set(ranks.map(\.host).filter { !$0.isEmpty }).count
    let places = hosts > 0 ? " on \(hosts) \(hosts == 1 ? "host" : "hosts")" : ""
    flow.add("\(ranks.count) \(ranks.count == 1 ? "rank" : "ranks")\(places)", .strong)
    for (mark, style) in [(RankView.Mark.silent, Style.bad), (.slow, .warning)] {
      let marked = ranks.filter { $0.mark == mark }.sorted { ($0.urgency, $1.rank) > ($1.urgency, $0.rank) }
      guard let worst = marked.first else { continue }
      let detail =
        switch mark {
        case .silent: worst.heard.map { "for \(Texts.duration($0))" } ?? "never heard from"
        case .slow: "\(RankColumn.ratio(worst))\(paper.times) the median"
        }
      let place = worst.host.isEmpty ? "" : " on \(worst.host)"
      flow.add("\(marked.count) \(mark.rawValue): \(marked.count > 1 ? "worst " : "")rank \(worst.rank)\(place), \(detail)", style)
    }
    return flow.lines(on: paper)
  }
}

extension RankView {
  /// Larger for ranks that are to be looked at first: the silent ones, and then the slow ones.
  fileprivate var urgency: Double {
    switch mark {
    case .silent: 1e9 + (heard ?? 1e9)
    case .slow: 1e3 + (ratio ?? 0)
    case nil: 0
    }
  }

  fileprivate var style: Style {
    switch mark {
    case .silent: .bad
    case .slow: .warning
    case nil: .plain
    }
  }
}
