import Foundation
import Testing

@testable import Watching

/// What is shown, as text.
@Suite struct RenderingTests {
  private static let sizes = [(80, 24), (200, 60), (40, 12), (20, 5), (7, 3), (1, 1), (132, 43)]

  private func text(_ lines: [StyledLine], _ paper: Paper) -> String { lines.map { $0.text(on: paper) }.joined(separator: "\n") }

  /// A run with everything that may be there.
  private func busy(ranks: Int = 8) throws -> RunMaker {
    let run = try RunMaker.running(ranks: ranks, hosts: max(1, ranks / 8), steps: 700, slow: ranks > 5 ? 5 : nil)
    try run.append([run.validation(400, text: 4.5), run.validation(500, text: 4.25)], to: "transformer.steps.jsonl")
    try run.append(
      [run.step(701, loss: "\"nan\"", skipped: true), run.step(702).dropLast() + ",\"slowest\":{\"rank\":5,\"ratio\":1.45}}"],
      to: "transformer.steps.jsonl")
    try run.checkpoint(step: 600, byteCount: 3_000_000)
    try run.append(
      [
        run.event("sampleGrid", "\"stage\":\"transformer\",\"step\":600,\"path\":\"/elsewhere/samples/transformer-00000600.png\""),
        run.event("warning", "\"text\":\"\(String(repeating: "a long warning with 日本語 in it ", count: 10))\""),
        run.event("warning", "\"text\":\"another\""),
      ], to: "rank-00000.jsonl")
    if ranks > 3 { try run.status(3, age: 45) }
    return run
  }

  @Test func noLineIsWiderThanItsTerminal() throws {
    let runs = try [busy(), busy(ranks: 1), busy(ranks: 1024), RunMaker()]
    for observation in try runs.map({ try $0.observe() }) {
      for (columns, rows) in Self.sizes {
        for isUnicode in [true, false] {
          let paper = Paper(columns: columns, rows: rows, isUnicode: isUnicode)
          for body in [PageBody.ranks, .warnings] {
            let lines = Page(observation, body: body, offset: 3, on: paper).lines
            #expect(lines.count == rows)
            #expect(lines.allSatisfy { $0.width <= columns }, "\(columns) x \(rows)")
          }
          #expect(TextReport.lines(observation, on: paper).allSatisfy { $0.width <= columns }, "\(columns) columns")
        }
      }
    }
  }

  @Test func aPageOf80x24() throws {
    let run = try busy()
    var observation = try run.observe()
    observation.folder = "runs/demo"
    let paper = Paper(columns: 80, rows: 24)
    let page = text(Page(observation, body: .ranks, offset: 0, on: paper).lines, paper)
    for part in [
      "RUNNING", "transformer  step 702 of 1000 (70 %)", "left", "loss 5.38", "image 5.4", "norm 0.5120", "lr 4.50e-04",
      "skipped 1, last at step 701", "164k tokens/s", "31 % of GEMM peak", "0.500 s/step", "slowest rank 5, 1.45×",
      "parameters 25.0M", "bf16",
      "validation step 500  text 4.2500 (-0.2500)", "checkpoint step 600", "3.0 MB", "free", "samples /elsewhere",
      "loss, whole run", "loss, last 500 steps", "8 ranks on 1 host", "1 silent: rank 3 on node0, for 45s",
      "1 slow: rank 5 on node0, 1.43× the median", "total", "median", "2 warnings, the newest: 59m59s ago: another",
    ] { #expect(page.contains(part), "\(part) in\n\(page)") }
  }

  @Test func aPageOf200x60HasEveryRankAndColumn() throws {
    let observation = try busy().observe()
    let paper = Paper(columns: 200, rows: 60)
    let page = text(Page(observation, body: .ranks, offset: 0, on: paper).lines, paper)
    for part in [
      "host", "step", "s/step", "data", "forward", "backward", "wait", "communicate", "update", "checkpoint", "memory", "heard",
      "text, whole run", "image, whole run",
    ] { #expect(page.contains(part), "\(part) in\n\(page)") }
    let rows = page.split(separator: "\n").filter { $0.contains("node0 ") && $0.contains("1.5GB") }
    #expect(rows.count == 8, "\(page)")
    #expect(rows.map { $0.split(separator: " ").prefix(2).joined(separator: " ") }[3] == "3 silent")
  }

  @Test func of1024RanksTheWorstAreFirst() throws {
    let observation = try busy(ranks: 1024).observe()
    let paper = Paper(columns: 80, rows: 24)
    let page = Page(observation, body: .ranks, offset: 0, on: paper)
    let lines = page.lines.map { $0.text(on: paper) }
    #expect(lines.contains { $0.contains("1024 ranks on 128 hosts") })
    let median = try #require(lines.firstIndex { $0.contains(" median ") })
    #expect(lines[median + 1].contains("3 silent") && lines[median + 2].contains("5 slow") && lines[median + 3].hasPrefix("   0"))
    #expect(page.lastOffset == 1024 - page.bodyRows)
    let end = Page(observation, body: .ranks, offset: 1 << 40, on: paper).lines.map { $0.text(on: paper) }
    #expect(end[22].hasPrefix("1023") && end[23].hasSuffix("lines \(page.lastOffset + 1)-1024 of 1024"))
    let report = TextReport.lines(observation, on: paper)
    #expect(report.count < 100 && report.contains { $0.text(on: paper) == "and 992 more ranks; --json has all of them" })
  }

  @Test func asciiAlone() throws {
    let observation = try busy().observe()
    let paper = Paper(columns: 80, rows: 24, isUnicode: false)
    for lines in [Page(observation, body: .warnings, offset: 0, on: paper).lines, TextReport.lines(observation, on: paper)] {
      #expect(text(lines, paper).utf8.allSatisfy { $0 < 0x80 })
    }
    #expect(Paper.isUnicode(["LANG": "C.UTF-8"]) && Paper.isUnicode(["LC_ALL": "", "LC_CTYPE": "de_DE.utf8", "LANG": "C"]))
    #expect(!Paper.isUnicode(["LC_ALL": "C", "LANG": "C.UTF-8"]) && !Paper.isUnicode([:]))
  }

  @Test func colors() throws {
    let observation = try busy().observe()
    for hasColor in [true, false] {
      let paper = Paper(columns: 80, rows: 24, hasColor: hasColor)
      #expect(text(Page(observation, body: .ranks, offset: 0, on: paper).lines, paper).contains("\u{1B}") == hasColor)
    }
    #expect(Paper.wantsColor(["NO_COLOR": ""]) && !Paper.wantsColor(["NO_COLOR": "1"]))
  }

  /// A file name or a warning cannot send commands to the terminal.
  @Test func controlCharactersAreReplaced() {
    let paper = Paper(columns: 80, rows: 24)
    #expect(StyledLine("a\u{1B}[2Jb\u{07}\nc\u{202E}d\u{9B}e").text(on: paper) == "a?[2Jb? c?d?e")
  }

  @Test func widths() {
    #expect(DisplayWidth.of("abc") == 3 && DisplayWidth.of("日本") == 4 && DisplayWidth.of("e\u{301}ä") == 2)
    #expect(DisplayWidth.prefix("日本語", 5) == "日本" && DisplayWidth.ascii("a日b") == "a??b")
    let paper = Paper(columns: 5, rows: 1)
    #expect(StyledLine("日本語").cut(to: 5, paper).text(on: paper) == "日本…" && StyledLine("ab").cut(to: 0, paper).width == 0)
  }

  @Test func plotOfALine() {
    let points = (1...8).map { ThinnedSeries.Point(Double($0), step: $0) }
    let braille = Plot("rises", points).lines(columns: 12, rows: 4, Paper(columns: 12, rows: 4)).map {
      $0.text(on: Paper(columns: 12, rows: 4))
    }
    #expect(braille == ["rises       ", " 8.0000▏  ⡠⠊", " 1.0000▏⡠⠊  ", "        1  8"], "\(braille)")
    let paper = Paper(columns: 12, rows: 4, isUnicode: false)
    let ascii = Plot("rises", points).lines(columns: 12, rows: 4, paper).map { $0.text(on: paper) }
    #expect(ascii == ["rises       ", " 8.0000|  .'", " 2.0000|.'  ", "        1  8"], "\(ascii)")
  }

  @Test func plotsOfLittle() {
    let paper = Paper(columns: 30, rows: 5)
    let point = ThinnedSeries.Point(-1e300, step: 7)
    for points in [[], [point], [point, point]] {
      #expect(Plot("loss", points).lines(columns: 30, rows: 5, paper).allSatisfy { $0.width == 30 })
    }
  }

  @Test func keys() {
    var bytes = Array("jk\u{1B}[A\u{1B}[5~\u{1B}[99;5xq\u{1B}".utf8)
    #expect(Keys.take(from: &bytes) == [.down, .up, .up, .pageUp, .quit] && bytes == [0x1B])
    bytes += Array("[B\u{03}ä".utf8)
    #expect(Keys.take(from: &bytes) == [.down, .quit] && bytes.isEmpty)
  }

  @Test func scrolls() throws {
    let observation = try busy(ranks: 64).observe()
    var state = ViewState()
    func page() -> Page { Page(observation, body: state.body, offset: state.offset, on: Paper(columns: 80, rows: 24)) }
    state.fit(page())
    for key in [Key.up, .down, .down, .pageDown] { state.apply(key) }
    #expect(state.offset == 1 + page().bodyRows)
    state.apply(.end)
    #expect(state.offset == page().lastOffset)
    state.apply(.warnings)
    #expect(state.body == .warnings && state.offset == 0)
  }

  @Test func json() throws {
    let run = try busy()
    try run.append([run.step(703, loss: "\"inf\"")], to: "transformer.steps.jsonl")
    let line = try RunJSON(run.observe()).line
    let object = try #require(try JSONSerialization.jsonObject(with: line) as? [String: Any])
    #expect(object["state"] as? String == "running" && object["exitCode"] as? Int == 10 && object["loss"] as? String == "inf")
    #expect(object["step"] as? Int == 703 && object["steps"] as? Int == 1000 && object["skipped"] as? Int == 1)
    let ranks = try #require(object["ranks"] as? [[String: Any]])
    #expect(ranks.count == 8 && ranks[3]["mark"] as? String == "silent" && ranks[5]["mark"] as? String == "slow")
    #expect((ranks[5]["phases"] as? [String: Double])?["backward"] == 0.3)
    #expect(!line.contains(UInt8(ascii: "\n")))
  }
}
