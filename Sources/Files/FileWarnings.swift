import Foundation
import Synchronization

/// What a file system cannot do, and a job can do without: said once per process, however often it happens.
package enum FileWarnings {
  private struct State {
    var said: Set<String> = []
    var show: @Sendable (String) -> Void = { try? FileHandle.standardError.write(contentsOf: Data("warning: \($0)\n".utf8)) }
  }
  private static let state = Mutex(State())

  /// Where warnings go, in place of standard error.
  package static func show(_ show: @escaping @Sendable (String) -> Void) { state.withLock { $0.show = show } }

  /// - Parameter kind: what is wrong, apart from where.
  package static func warn(_ kind: String, _ text: String) {
    let show = state.withLock { $0.said.insert(kind).inserted ? $0.show : nil }
    show?(text)
  }
}
