import Errors
import Foundation

/// What holds for the arguments of every command.
enum Arguments {
  /// Refuses arguments that are empty, as a shell's variable that is not set gives them: as a path they would mean the current
  /// folder, or `/` before what is added to them. Refuses bytes that are not UTF-8, which Swift would replace in silence.
  ///
  /// - Throws: `DalleError` of kind `usage`.
  static func check() throws {
    // Elsewhere than on Linux the bytes are not known, and all is taken as it is.
    let line = (try? Data(contentsOf: URL(fileURLWithPath: "/proc/self/cmdline"))) ?? Data()
    for (number, bytes) in line.dropLast().split(separator: 0, omittingEmptySubsequences: false).enumerated().dropFirst() {
      guard let argument = String(validating: bytes, as: UTF8.self) else {
        throw DalleError(
          .usage,
          "argument \(number) (`\(String(decoding: bytes, as: UTF8.self))`) is not UTF-8; set the terminal to UTF-8, or rename the file that it names"
        )
      }
      if argument.isEmpty {
        throw DalleError(.usage, "argument \(number) is empty; if it comes from a variable of the shell, set that variable")
      }
    }
  }
}
