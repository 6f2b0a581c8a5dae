import Errors
import Files
import Foundation

/// Which folder is meant.
package enum RunFinder {
  /// Refuses a folder that is no run.
  ///
  /// - Throws: `DalleError` of kind `noInput` that says what to do.
  package static func check(_ folder: String) throws {
    var status = stat()
    guard stat(folder, &status) == 0 else { throw DalleError.file(folder, "there is no such run") }
    guard status.st_mode & S_IFMT == S_IFDIR else {
      throw DalleError(.noInput, "\(folder): is a file; name the folder of a run, as it was given to dalle-train --run")
    }
    if isRun(folder) { return }
    let inside = runs(in: folder).first.map { ", such as \($0.path)" } ?? ""
    throw DalleError(
      .noInput, "\(folder): is no run of dalle-train, for it has no folder `logs`; name the folder that was given to --run\(inside)"
    )
  }

  /// The run in a folder that was written to last.
  ///
  /// - Throws: `DalleError` of kind `noInput` if there is none.
  package static func newest(in folder: String) throws -> String {
    guard let newest = runs(in: folder).first else {
      throw DalleError(
        .noInput, "\(folder): has no run of dalle-train; name a run's folder, or start one: dalle-train --run \(folder)/demo")
    }
    return newest.path
  }

  private static func isRun(_ folder: String) -> Bool { FileManager.default.fileExists(atPath: "\(folder)/logs") }

  /// The runs in a folder, the one that was written to last first.
  private static func runs(in folder: String) -> [(path: String, time: Double)] {
    ((try? namesInFolder(folder)) ?? []).map { "\(folder)/\($0)" }.filter(isRun).map { path in
      let parts = ["logs", "logs/rank-00000.jsonl", "status", "status/rank-00000.json"]
      return (path, parts.compactMap { time("\(path)/\($0)") }.max() ?? 0)
    }.sorted { ($0.time, $1.path) > ($1.time, $0.path) }
  }

  private static func time(_ path: String) -> Double? {
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    return Double(status.st_mtim.tv_sec) + Double(status.st_mtim.tv_nsec) / 1e9
  }
}
