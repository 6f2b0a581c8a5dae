import Files
import Foundation

/// Wakes a thread that waits for keys: a pipe, so that it can wait for both.
final class Wakeup: Sendable {
  private let ends: (read: Int32, write: Int32)

  init() {
    var ends: [Int32] = [-1, -1]
    // Without it the thread wakes all the same, a second later.
    if pipe(&ends) == 0 { for end in ends { _ = fcntl(end, F_SETFL, O_NONBLOCK) } }
    self.ends = (ends[0], ends[1])
  }

  deinit {
    close(ends.read)
    close(ends.write)
  }

  func wake() {
    var byte: UInt8 = 0
    _ = write(ends.write, &byte, 1)
  }

  /// Waits for keys, a call of `wake`, or a second; returns the keys' bytes, and nil where there will be no more.
  func wait(forKeys: Bool) -> [UInt8]? {
    // poll passes over negative numbers.
    var files = [
      pollfd(fd: forKeys ? STDIN_FILENO : -1, events: Int16(POLLIN), revents: 0),
      pollfd(fd: ends.read, events: Int16(POLLIN), revents: 0),
    ]
    guard poll(&files, nfds_t(files.count), 1000) > 0 else { return [] }
    var bytes = [UInt8](repeating: 0, count: 256)
    if files[1].revents != 0 { while read(ends.read, &bytes, bytes.count) == bytes.count {} }
    guard files[0].revents != 0 else { return [] }
    let count = read(STDIN_FILENO, &bytes, bytes.count)
    if count < 0 && (errno == EINTR || errno == EAGAIN) { return [] }
    return count > 0 ? Array(bytes.prefix(count)) : nil
  }
}
