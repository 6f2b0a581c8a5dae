/// What the lower part of a page shows.
package enum PageBody: Sendable {
  case ranks
  case warnings
}

/// A run on a terminal's screen.
package struct Page {
  /// As many as the screen has rows, or fewer.
  package var lines: [StyledLine]
  /// Rows that the lower part has for its lines, and how far it can be scrolled.
  package var bodyRows: Int
  package var lastOffset: Int

  /// Lines of the lower part that are to be seen beside the upper one.
  private static let leastBody = 4

  /// - Parameter offset: lines by which the lower part is scrolled.
  package init(_ run: Observation, body: PageBody, offset: Int, on paper: Paper) {
    let table = RankTable(run.ranks, on: paper)
    let head = Head(run: run, paper: paper).lines
    let newest = body == .ranks ? Warnings.newest(run, rows: max(1, paper.rows / 12), on: paper) : []
    let header =
      body == .ranks
      ? RankTable.summary(run.ranks, on: paper) + table.header : Warnings.title(run, hint: ", the newest first", on: paper)
    let space = paper.rows - 1 - head.count - newest.count - header.count
    let isTall = space >= Self.leastBody
    // Ranks get half of what is left, or less if they are few; plots get the rest.
    let rankRows = max(Self.leastBody, min(run.ranks.count, space / 2))
    let upper = head + Plots.lines(run, rows: space - rankRows, on: paper) + newest + header
    // On a low screen all of it is scrolled.
    let (pinned, scrolled) = isTall ? (upper, []) : ([], upper)
    bodyRows = max(0, paper.rows - 1 - pinned.count)
    let warnings = body == .warnings ? Warnings.lines(run, rows: .max, on: paper) : []
    let count = scrolled.count + (body == .ranks ? run.ranks.count : warnings.count)
    lastOffset = max(0, count - bodyRows)
    let first = max(0, min(offset, lastOffset))
    let listed = max(0, first - scrolled.count)..<max(0, min(count, first + bodyRows) - scrolled.count)
    let list = body == .ranks ? table.rows(listed, fitting: bodyRows) : Array(warnings[listed])
    let visible = scrolled.dropFirst(first).prefix(bodyRows) + list
    let blank = Array(repeating: StyledLine(), count: bodyRows - visible.count)
    let position = lastOffset > 0 ? "  lines \(first + 1)-\(first + visible.count) of \(count)" : ""
    lines = pinned + visible + blank + [Self.footer(body, position, on: paper)]
  }

  private static func footer(_ body: PageBody, _ position: String, on paper: Paper) -> StyledLine {
    let other = body == .ranks ? "warnings" : "ranks"
    return StyledLine("q: quit  arrows, PageUp/PageDown: scroll  w: \(other)" + position, .faint).cut(to: paper.columns, paper)
  }
}
