import Errors
import Foundation
import Images
import TestSupport
import Testing

@testable import Reports
@testable import Watching

/// The page about runs, and what is read for it.
@Suite struct RunReportTests {
  /// A run that was killed and resumed, with everything that may be there.
  private func busy(ranks: Int = 8, name: String = "transformer") throws -> RunMaker {
    let run = try RunMaker(ranks: ranks, hosts: max(1, ranks / 8))
    try run.begin()
    try run.steps(1...400)
    run.start += 1000
    try run.append(
      [
        run.event("checkpoint", "\"stage\":\"transformer\",\"step\":200,\"path\":\"/x\""),
        run.event("sampleGrid", "\"stage\":\"transformer\",\"step\":300,\"path\":\"/x\""),
        run.event("checkpoint", "\"stage\":\"transformer\",\"step\":400,\"path\":\"/x\""), run.started(),
        run.event("message", "\"text\":\"data: 1000 samples for training, 20 for validation\""),
        run.event("stageBegun", "\"stage\":\"transformer\""),
        run.event("warning", "\"text\":\"the job hangs: for 5m00s no rank has made progress\""),
        run.event("warning", "\"text\":\"an odd thing\",\"stage\":\"transformer\",\"step\":450"),
      ], to: "rank-00000.jsonl")
    try run.append([run.event("skip", "\"text\":\"a bad image\"")], to: "rank-00001.jsonl")
    try run.append([run.beginning(step: 400)], to: "transformer.steps.jsonl")
    try run.steps(401...700)
    try run.append(
      [run.validation(500, text: 4.25), run.step(701, loss: "\"nan\"", skipped: true), run.step(702, loss: "1e9"), run.step(703)],
      to: "transformer.steps.jsonl")
    try run.append(
      [run.times(step: 300, slow: 5), run.times(step: 700, slow: 5)], to: "transformer.ranks.jsonl")
    for rank in 0..<ranks { try run.status(rank, step: 703) }
    try Data("seed: 1\ndvae:\n  training: {steps: 60, lr: 1.0e-3}\n".utf8).write(
      to: URL(fileURLWithPath: run.folder + "/config.yaml"))
    return run
  }

  private func record(_ run: RunMaker) throws -> RunRecord { try RunRecord.read([run.folder])[0] }

  private func page(_ runs: RunMaker...) throws -> String { RunsPage(try RunRecord.read(runs.map(\.folder))).html }

  @Test func aPageHasWhatTheRunWrote() throws {
    let run = try busy()
    let html = try page(run)
    let document = try HTMLDocument(html)
    for part in [
      "running", "703", "of 1,000 (70.3 %)", "4.25 / 5.7", "25,000,000 parameters", "Training: transformer", "Loss: text",
      "Loss: image",
      "Gradient norm", "Learning rate", "Throughput, tokens per second", "rank 5 on node0",
      "Rank 5 on node0 computed longest, 0.501 s per step",
      "1.43 times the median", "1.52 GB", "2 starts, 1 kill, 1 hang, 1 warning, 1 skipped update, 1 skipped sample",
      "2 checkpoints",
      "steps 200 to 400", "an odd thing", "killed", "resumed at step 400", "beyond the chart: highest 1G near step 703",
      "1000 samples for training, 20 for validation", "dvae:",
    ] { #expect(document.text.contains(part), "\(part)") }
    #expect(document.elements.isDisjoint(with: ["script", "link", "iframe", "object"]))
    for (name, value) in document.attributes {
      #expect(!name.lowercased().hasPrefix("on"))
      if name == "src" { #expect(value.hasPrefix("data:image/")) }
      if name == "href" { #expect(value.hasPrefix("#")) }
    }
    #expect(!html.contains("NaN") && !html.contains("nan\"") && !html.contains("inf,"))
    #expect(html.utf8.count < 300_000)
  }

  @Test func whatAFileHasIsNeverMarkup() throws {
    let run = try busy()
    let hostile = "</title></style><script>alert(1)</script><img src=x onerror=alert(1)>"
    try run.append(
      [
        run.event("warning", "\"text\":\"\(hostile)\",\"stage\":\"<i>\""),
        run.event("ended", "\"code\":70,\"text\":\"\(hostile)\""),
      ], to: "rank-00000.jsonl")
    let beginning = run.beginning(step: 703).replacing("node0", with: "<u>").replacing("\"tokens\"", with: "\"<b>\"")
    let validation = run.validation(703, text: 4).replacing("\"text\"", with: "\"<b>odd</b>\"")
    try run.append([beginning, validation], to: "transformer.steps.jsonl")
    let other = run.step(1).replacing("\"text\"", with: "\"<b>\"")
    try run.append([run.beginning(), other, run.step(2)], to: "<b>&.steps.jsonl")
    for (file, text) in [
      ("config.yaml", "seed: \"\(hostile)\"\n"),
      (
        "products/dvae.json",
        "{\"stage\":\"<b>\",\"inputs\":{\"<u>\":\"\(hostile)\"},\"work\":1,\"product\":\"<i>\",\"isGiven\":false}"
      ), ("model/<b>.json", "{}"), ("samples/<b>-00000010.png", "no image"),
    ] {
      let url = URL(fileURLWithPath: "\(run.folder)/\(file)")
      try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
      try Data(text.utf8).write(to: url)
    }
    let document = try HTMLDocument(page(run))
    #expect(document.elements.isDisjoint(with: ["script", "u"]) && document.text.contains(hostile))
    for name in ["<u>", "<b>&", "<b>odd</b>", "<b>.json"] { #expect(document.text.contains(name), "\(name)") }
    #expect(!document.attributes.contains { $0.name == "onerror" })
  }

  @Test func runsAreLaidOverEachOther() throws {
    let runs = try [busy(), busy(), busy(ranks: 2)]
    try Data("seed: 2\ndvae:\n  training: {steps: 60}\n".utf8).write(to: URL(fileURLWithPath: runs[1].folder + "/config.yaml"))
    try FileManager.default.removeItem(atPath: runs[2].folder + "/config.yaml")
    let html = try page(runs[0], runs[1], runs[2])
    let document = try HTMLDocument(html)
    for index in 0..<3 {
      #expect(html.contains("class=\"curve r\(index)\"") && html.contains("class=\"mark r\(index)\""))
      #expect(document.text.contains((runs[index].folder as NSString).lastPathComponent))
    }
    #expect(html.contains("<code>seed</code></td><td>1</td><td>2</td>"))
    #expect(html.contains("<code>dvae.training.lr</code></td><td>1.0e-3</td><td class=\"missing\">none</td>"))
    #expect(!html.contains("<code>dvae.training.steps</code>"))
    #expect(document.text.contains("Without a configuration that can be read"))
    #expect(document.text.contains("config.yaml: cannot be opened"))
  }

  @Test func namesTellRunsApart() {
    #expect(RunNames.unique(["runs/a", "/x/b/"]) == ["a", "b"])
    #expect(RunNames.unique(["/x/1/demo", "/x/2/demo", "/x/2/other"]) == ["1/demo", "2/demo", "other"])
    #expect(RunNames.unique(["/demo", "/x/demo"]) == ["demo", "x/demo"])
  }

  @Test func ofManyRanksThoseToBeLookedAtAreListed() throws {
    let run = try busy(ranks: 1024)
    let html = try page(run)
    let document = try HTMLDocument(html)
    #expect(html.components(separatedBy: "<div class=\"rank\">").count == 1 + 10 + 1 + 3)
    let first = try #require(html.range(of: "<div class=\"rank\"><span>"))
    #expect(html[first.upperBound...].hasPrefix("rank 5 on node0<"))
    #expect(document.text.contains("Seconds per step without waiting, by rank") && document.text.contains("1,024 ranks"))
    #expect(html.utf8.count < 400_000)
  }

  @Test func timesAreMeansOverTheWholeTraining() throws {
    let run = try RunMaker(ranks: 2, hosts: 1)
    try run.begin()
    func line(_ step: Int, over: Int, forward: String, memory: String) -> String {
      "{\"step\":\(step),\"time\":1,\"over\":\(over),\"memory\":[\(memory)],\"phases\":{\"forward\":[\(forward)],\"wait\":[0,1]}}"
    }
    try run.append(
      [line(10, over: 10, forward: "1,2", memory: "100,300"), line(40, over: 30, forward: "2,4", memory: "200,250")],
      to: "transformer.ranks.jsonl")
    // A job with three ranks, of which the last has only its own steps.
    try run.append([line(50, over: 10, forward: "1,2,5", memory: "10,10,700")], to: "transformer.ranks.jsonl")
    let ranks = try #require(try record(run).stages.first).ranks
    let forward = try #require(RankTimes.phases.firstIndex(of: "forward"))
    #expect((0..<3).map { ranks.seconds(rank: $0)[forward] } == [1.6, 3.2, 5])
    #expect(ranks.steps == [50, 50, 10] && ranks.peakMemory == [200, 300, 700] && ranks.slowestFirst == [2, 1, 0])
    #expect(ranks.busy(rank: 1) == 3.2)
    #expect(ranks.memory.points.map(\.minimum) == [100, 200, 10] && ranks.memory.points.map(\.maximum) == [300, 250, 700])
    #expect(try HTMLDocument(page(run)).text.contains("The number of ranks changed"))
  }

  @Test func endsOfJobs() throws {
    let run = try RunMaker(ranks: 2, hosts: 1, start: 1000)
    func start(_ time: Double) -> String {
      run.start = time
      return run.started()
    }
    try run.append(
      [
        start(1000), start(2000), run.event("ended", time: 2100, "\"code\":79,\"text\":\"a stop\""), start(3000), start(4000),
        run.event("stageFinished", time: 4100), run.event("ended", time: 4100, "\"code\":0,\"text\":\"\""),
      ], to: "rank-00000.jsonl")
    // The third job failed on another rank; that all ranks end alike is told once.
    try run.append(
      [
        run.event("ended", time: 2100, "\"code\":79,\"text\":\"a stop\""),
        run.event("ended", time: 3050, "\"code\":74,\"text\":\"disk\""),
      ],
      to: "rank-00001.jsonl")
    let record = try record(run)
    let events = record.events.list.shown.events
    #expect(
      events.map(\.kind) == [.started, .killed, .started, .ended(79), .started, .ended(74), .started, .stageFinished, .ended(0)])
    #expect(events[5].rank == 1 && events[5].text == "disk" && record.events.killedCount == 1 && record.events.jobCount == 4)
  }

  @Test func productsFollowThoseTheyWereMadeFrom() throws {
    let run = try RunMaker()
    try run.append([run.started()], to: "rank-00000.jsonl")
    try FileManager.default.createDirectory(atPath: run.folder + "/products", withIntermediateDirectories: true)
    let products = [("a", "3", ["2", "1"]), ("b", "1", []), ("c", "2", ["1"]), ("d", "5", ["5", "6"]), ("e", "6", ["5"])]
    for (stage, hash, inputs) in products {
      let list = inputs.map { "\"of \($0)\":\"\($0)\"" }.joined(separator: ",")
      let text = "{\"stage\":\"\(stage)\",\"inputs\":{\(list)},\"work\":1,\"product\":\"\(hash)\",\"isGiven\":false}"
      try Data(text.utf8).write(to: URL(fileURLWithPath: "\(run.folder)/products/\(stage).json"))
    }
    #expect(try record(run).products.map(\.stage).prefix(3) == ["b", "c", "a"])
  }

  @Test func eventsOfALongRunAreBounded() throws {
    var events = RunEvents()
    func add(_ line: String) {
      (line + "\n").utf8.withContiguousStorageIfAvailable { bytes in
        events.add(line: UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(bytes).dropLast()), rank: 0)
      }
    }
    for job in 0..<3000 {
      add("{\"event\":\"started\",\"time\":\(job)}")
      for step in 0..<3 {
        add("{\"event\":\"checkpoint\",\"stage\":\"a\",\"step\":\(step),\"time\":\(job).5}")
        add("{\"event\":\"sampleGrid\",\"stage\":\"a\",\"step\":\(step),\"time\":\(job).5}")
      }
      add("{\"event\":\"warning\",\"text\":\"\(job)\",\"time\":\(job).6}")
      add("{\"event\":\"warning\",\"text\":\"\(job)\",\"time\":\(job).7}")
    }
    let (shown, dropped) = events.list.shown
    #expect(shown.count == 600 && events.jobCount == 3000 && events.warningCount == 6000)
    // Of each job: a start, a kill but for the last, checkpoints, sample sheets and warnings.
    #expect(shown.count + dropped == 3000 + 2999 + 3 * 3000)
    #expect(shown.map(\.time) == shown.map(\.time).sorted())
    #expect(shown.first { $0.kind == .checkpoint }?.count == 3 && shown.last?.text == "2999" && shown.last?.count == 2)
  }

  @Test func aRunThatHasOnlyStarted() throws {
    let run = try RunMaker()
    try run.append([run.started()], to: "rank-00000.jsonl")
    try run.status(0)
    let document = try HTMLDocument(page(run))
    #expect(document.text.contains("started") && !document.text.contains("Where time went"))
    try run.append([run.beginning()], to: "transformer.steps.jsonl")
    #expect(try HTMLDocument(page(run)).text.contains("No step has been logged yet."))
    try run.steps(1...1)
    #expect(try HTMLDocument(page(run)).text.contains("Gradient norm"))
  }

  @Test func damagedFilesAreNamed() throws {
    let run = try busy()
    try run.append([String(run.step(704).prefix(50)), run.step(705)], to: "transformer.steps.jsonl")
    try run.append([String(run.step(706).prefix(50))], to: "transformer.steps.jsonl", end: "")
    try run.append(["{\"step\":"], to: "transformer.ranks.jsonl")
    try run.append(["\0\0\0"], to: "rank-00001.jsonl")
    try FileManager.default.createDirectory(atPath: run.folder + "/products", withIntermediateDirectories: true)
    for (file, text) in [
      ("products/dvae.json", "{\"stage\":"), ("config.yaml", "a: [1\nb"), ("samples/transformer-00000100.png", "no image"),
    ] {
      try Data(text.utf8).write(to: URL(fileURLWithPath: "\(run.folder)/\(file)"))
    }
    let page = RunsPage(try RunRecord.read([run.folder]))
    let problems = page.problems.joined(separator: "\n")
    for part in [
      "transformer.steps.jsonl: 1 line cannot", "transformer.ranks.jsonl: 1 line cannot", "rank-00001.jsonl: 1 line cannot",
      "dvae.json: cannot be parsed", "config.yaml: not valid YAML", "transformer-00000100.png: ",
    ] { #expect(problems.contains(part), "\(part)") }
    let document = try HTMLDocument(page.html)
    #expect(document.text.contains("6 files could not be read, or only in part") && document.text.contains("705"))
    #expect(throws: DalleError.self) { try RunRecord.read([run.folder, run.folder + "-missing"]) }
  }

  @Test func theLogOfRanksMayBeMissing() throws {
    let run = try busy()
    for name in ["logs/transformer.ranks.jsonl", "logs/rank-00000.jsonl", "logs/rank-00001.jsonl", "config.yaml"] {
      try FileManager.default.removeItem(atPath: "\(run.folder)/\(name)")
    }
    let document = try HTMLDocument(page(run))
    #expect(document.text.contains("there is no log of a rank") && document.text.contains("Gradient norm"))
    #expect(!document.text.contains("Where time went"))
  }

  /// Images that cannot be compressed: the page shrinks them.
  @Test func sampleSheetsFitIntoThePage() throws {
    let run = try busy()
    var random = SeededRandom(seed: 1)
    let pixels = (0..<700 * 500 * 3).map { _ in UInt8.random(in: 0...255, using: &random) }
    let noise = try Image(width: 700, height: 500, pixels: pixels).png()
    for step in 1...40 {
      try noise.write(to: URL(fileURLWithPath: "\(run.folder)/samples/transformer-\(String(format: "%08d", step * 10)).png"))
    }
    let html = try page(run)
    #expect(html.components(separatedBy: "<img ").count == 1 + 24 && html.utf8.count < 4_000_000)
    #expect(html.contains("24 of 40 sheets") && html.contains("step 10<") && html.contains("step 400<"))
  }
}
