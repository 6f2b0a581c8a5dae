import Files
import Foundation

/// The newest complete checkpoint of a stage, and the space that others would have.
package struct NewestCheckpoint: Sendable {
  package var path: String
  package var step: Int
  /// Seconds since 1970 when it was complete.
  package var time: Double
  package var byteCount: Int

  /// Looks for it in `RUN/STAGE/checkpoints`; nil if there is none.
  init?(in folder: String) {
    let steps = (try? namesInFolder(folder))?.compactMap { $0.hasPrefix("step-") ? Int($0.dropFirst(5)) : nil } ?? []
    for step in steps.sorted(by: >) {
      let path = "\(folder)/step-\(zeroPadded(step, digits: 8))"
      // Written last: without it the checkpoint is not complete.
      guard let manifest = Self.status("\(path)/MANIFEST.json") else { continue }
      (self.path, self.step, time) = (path, step, Double(manifest.st_mtim.tv_sec))
      byteCount = ((try? namesInFolder(path)) ?? []).reduce(0) { $0 + Int(Self.status("\(path)/\($1)")?.st_size ?? 0) }
      return
    }
    return nil
  }

  package init(path: String, step: Int, time: Double, byteCount: Int) {
    (self.path, self.step, self.time, self.byteCount) = (path, step, time, byteCount)
  }

  private static func status(_ path: String) -> stat? {
    var status = stat()
    return stat(path, &status) == 0 ? status : nil
  }

  /// Bytes that a user may still write to the disk of a folder.
  static func freeBytes(_ folder: String) -> Int? {
    var disk = statvfs()
    guard statvfs(folder, &disk) == 0 else { return nil }
    let (bytes, isTooLarge) = Int(disk.f_bavail).multipliedReportingOverflow(by: Int(disk.f_frsize))
    return isTooLarge ? nil : bytes
  }
}
