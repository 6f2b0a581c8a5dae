import ArgumentParser
import Commands
import Errors
import Files
import Foundation
import Reports
import Watching

struct ReportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "report",
    abstract: "Writes a page about a run, or about several laid over each other: curves, times, events, samples, a model card.",
    discussion: """
      The page is one HTML file that needs no other file, no script and no network. The runs may be running; nothing of theirs is \
      changed. Files that cannot be read, or only in part, are listed on the page.
      """)

  @Argument(help: ArgumentHelp("Folders of runs, at most \(RunsPage.runLimit).", valueName: "run"))
  var folders: [String]

  @Option(help: "HTML file to write; one that is there is replaced.")
  var out: String

  func validate() throws {
    if folders.count > RunsPage.runLimit {
      throw ValidationError("\(folders.count) runs; one page shows at most \(RunsPage.runLimit), so name fewer")
    }
    if !out.hasSuffix(".html") { throw ValidationError("--out is \(out); choose a name that ends in .html") }
  }

  func run() {
    SingleCommand.run {
      try checkTwice()
      try checkOut()
      let page = RunsPage(try RunRecord.read(folders))
      let bytes = Data(page.html.utf8)
      try replaceFile(out, with: bytes)
      let problems = page.problems.count
      print(
        "\(out): \(folders.count) \(folders.count == 1 ? "run" : "runs"), \(bytes.count.formatted()) bytes"
          + (problems == 0 ? "" : "; \(problems) \(problems == 1 ? "file" : "files") could not be read whole: see the page"))
    }
  }

  /// Refuses a run that is named twice, by whatever path.
  private func checkTwice() throws {
    var seen: [String: String] = [:]
    for folder in folders {
      let path = URL(fileURLWithPath: folder).resolvingSymlinksInPath().standardizedFileURL.path
      if let before = seen[path] {
        throw DalleError(.usage, "\(folder): is the same run as \(before); name each run once")
      }
      seen[path] = folder
    }
  }

  /// Refuses, before anything is read, a page that could not be written.
  private func checkOut() throws {
    var status = stat()
    if stat(out, &status) == 0, status.st_mode & S_IFMT != S_IFREG {
      throw DalleError(.usage, "\(out): is no plain file; name a file that is there or a new one")
    }
    let folder = (out as NSString).deletingLastPathComponent
    guard folder.isEmpty || FileManager.default.fileExists(atPath: folder) else {
      throw DalleError(.noInput, "\(folder): there is no such folder for the page; make it, or name another --out")
    }
    try checkFolder(folder.isEmpty ? "." : folder)
  }
}
