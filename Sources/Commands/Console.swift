@preconcurrency import Foundation

enum Console {
  /// Lines appear at once, also in a file or a pipe, which would get them in blocks otherwise. Called before anything is printed.
  static func writeWholeLines() { setvbuf(stdout, nil, _IOLBF, 0) }
}
