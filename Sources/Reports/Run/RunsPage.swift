import Foundation
import Watching

/// One run, or several laid over each other, as one page of HTML that needs no other file, no script and no network.
package struct RunsPage {
  /// The most runs of a page: each has a color that is told from the others.
  package static let runLimit = 8

  let runs: [RunRecord]
  /// What each is called.
  let names: [String]
  let samples: [SampleStrip]
  /// Names of all stages that train, in the order of the runs.
  let stages: [String]

  /// - Parameter runs: at most `runLimit`.
  package init(_ runs: [RunRecord]) {
    precondition((1...Self.runLimit).contains(runs.count), "a page of \(runs.count) runs")
    self.runs = runs
    names = RunNames.unique(runs.map(\.folder))
    samples = runs.map { SampleStrip($0, ofRuns: runs.count) }
    var stages: [String] = []
    for name in runs.flatMap({ $0.stages.map(\.name) }) where !stages.contains(name) { stages.append(name) }
    self.stages = stages
  }

  /// Files that could not be read, of all runs.
  package var problems: [String] { zip(runs, samples).flatMap { $0.problems + $1.problems } }

  package var html: String {
    let trained = stages.enumerated().map { ("stage-\($0.offset + 1)", "Training: \($0.element)", curves(of: $0.element)) }
    let all: [(id: String, title: String, body: HTML?)] =
      [("runs", "Runs", runs.count > 1 ? overview : nil), ("differences", "What differs", differences)] + trained + [
        ("time", "Where time went", time), ("samples", "Samples", sampleStrips), ("events", "Events", events),
        ("card", "Model card", cards),
      ]
    let sections = all.compactMap { section in
      section.body.map { Document.Section(id: section.id, title: section.title, body: $0) }
    }
    let title = names.joined(separator: ", ")
    let now = Date().timeIntervalSince1970
    return Document(
      title: "\(title): training report", style: RunsStyle.css,
      header: """
        <h1>\(bdi(title))</h1>
        <p class="place">\(runs.count == 1 ? bdi(runs[0].folder) : "\(NumberText.amount(runs.count, "run")) laid over each other")</p>
        \(runs.count == 1 ? tiles(runs[0]) : nil)\(problemList)
        """,
      sections: sections,
      footer: """
        <p>Made by dalle-monitor report on \(DateText.moment(now)). Times are \(DateText.zone(at: now)).</p>

        """
    ).html
  }

  /// A run's name with its line and mark, where there are several.
  func label(_ index: Int) -> HTML { runs.count == 1 ? bdi(names[index]) : "\(Key.run(index)) \(bdi(names[index]))" }

  /// The heading of a run's part of a section.
  func heading(_ index: Int) -> HTML? { runs.count == 1 ? nil : "<h3 class=\"run\">\(label(index))</h3>\n" }

  private var problemList: HTML? {
    if problems.isEmpty { return nil }
    let items = problems.prefix(50).map { problem -> HTML in "<li>\(problem)</li>\n" }
    let more = problems.count > 50 ? " (the first 50 are listed)" : ""
    return """
      <div class="alert"><p><b>\(NumberText.amount(problems.count, "file")) could not be read, or only in part\(more).</b> What is below \
      lacks what they have.</p>
      <ul>
      \(items)</ul></div>

      """
  }
}
