import Errors
@preconcurrency import Foundation

enum Console {
  /// Called before anything is opened or printed.
  static func prepare() {
    // Where standard input, output or error is closed, the next file would get its number, and lines for people would end up in it.
    var descriptor: Int32
    repeat { descriptor = open("/dev/null", O_RDWR) } while (0...2).contains(descriptor)
    if descriptor > 2 { close(descriptor) }
    // Lines appear at once, also in a file or a pipe, which would get them in blocks otherwise.
    setvbuf(stdout, nil, _IOLBF, 0)
  }

  /// Called at the end. That a reader has seen enough (`| head -1`) is no mistake.
  ///
  /// - Throws: `DalleError` if lines are missing in standard output.
  static func check() throws {
    guard fflush(stdout) != 0 || ferror(stdout) != 0 else { return }
    var output = pollfd(fd: STDOUT_FILENO, events: Int16(POLLOUT), revents: 0)
    if poll(&output, 1, 0) == 1, output.revents & Int16(POLLERR | POLLHUP) != 0 { return }
    throw DalleError(
      .inputOutput, "standard output: lines are missing, because it cannot be written; free space on its disk, or name another file"
    )
  }
}
