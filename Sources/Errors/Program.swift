import Foundation

/// The running program.
package enum Program {
  /// Its arguments, the first of them its path, for messages. Empty in Swift where a preloaded library changes the environment before
  /// Swift has found them; then only the path is known.
  package static var arguments: [String] {
    if !CommandLine.arguments.isEmpty { return CommandLine.arguments }
    return [(try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? "dalle"]
  }

  /// Its name, which begins its messages.
  package static var name: String { (arguments[0] as NSString).lastPathComponent }
}
