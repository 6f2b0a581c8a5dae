import ArgumentParser
import Commands
import Foundation
import Watching

@main
struct DalleMonitor: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "dalle-monitor", abstract: "Shows how a run is doing.", subcommands: [WatchCommand.self, ReportCommand.self],
    defaultSubcommand: WatchCommand.self)
}

struct WatchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "watch",
    abstract: "Shows a run on the terminal, while it runs or afterwards. This is the default command.",
    discussion: """
      Reads the run's files and disturbs nothing: it may run on any machine that sees the folder, any number of times. Keys: q quits; \
      arrows, j, k, PageUp, PageDown, Home and End scroll; w shows warnings.

      With --once or --json, and where the output is no terminal, it prints the run once. The exit code is then 0 for a run that is \
      finished, 10 running, 11 stalled, 12 failed or killed, 13 stopped on request.
      """)

  @Argument(help: ArgumentHelp("A run's folder. Default: the one in runs/ that was written to last.", valueName: "run"))
  var folder: String?

  @Flag(help: "Print the run as text, once.")
  var once = false

  @Flag(help: "Print the run as one JSON object (Docs/monitoring.md).")
  var json = false

  func validate() throws {
    if once && json { throw ValidationError("--once and --json: choose one of them") }
  }

  func run() throws {
    let view = LiveView()
    var code: Int32 = 0
    SingleCommand.run(beforeSignal: { view.restore() }, { code = try show(view) })
    if code != 0 { throw ExitCode(code) }
  }

  /// Returns the exit code.
  private func show(_ view: LiveView) throws -> Int32 {
    let folder = try folder ?? newest()
    let watcher = try RunWatcher(folder)
    if LiveView.isPossible && !once && !json {
      try view.run(watcher)
      return 0
    }
    let observation = watcher.observeOnce()
    if json {
      print(String(decoding: try RunJSON(observation).line, as: UTF8.self))
    } else {
      let paper = Paper.ofOutput
      for line in TextReport.lines(observation, on: paper) { print(line.text(on: paper)) }
    }
    return observation.verdict.state.exitCode
  }

  private func newest() throws -> String {
    let folder = try RunFinder.newest(in: "runs")
    try? FileHandle.standardError.write(contentsOf: Data("dalle-monitor: \(folder), the newest run in runs\n".utf8))
    return folder
  }
}
