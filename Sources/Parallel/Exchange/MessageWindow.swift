import Layers
import MPI
import Memory

/// Messages between nodes: they start in the order in which they are added, and only so many bytes are under way at a time, because MPI
/// has memory of its own for each that is.
///
/// All nodes add the same messages in the same order. They may start them at different moments: the first that some node has not started
/// waits for earlier ones alone, which all have started.
package final class MessageWindow {
  private struct Message {
    let byteCount: Int
    let start: () throws -> Request
    var request: Request?
    var isComplete = false
  }

  let group: Communicator
  private let byteLimit: Int
  /// Those that were added, without the first `dropped`, which are complete.
  private var messages: [Message] = []
  private var dropped = 0
  /// Of `messages`.
  private var started = 0
  private var finished = 0
  private var bytesUnderWay = 0
  /// Since the start.
  package private(set) var mostBytesUnderWay = 0

  /// Floats of one message at most: Open MPI is slow with larger ones.
  package static let pieceCount = 1 << 19
  /// Messages that may always be under way, so that a slow answer to one does not hold back the next.
  private static let fewestMessages = 8

  /// - Parameters:
  ///   - group: one that nobody else starts messages on.
  ///   - byteLimit: of the messages under way; one that is longer travels alone.
  package init(_ group: Communicator, byteLimit: Int) {
    (self.group, self.byteLimit) = (group, byteLimit)
  }

  /// Bytes of a rank's gradients that may be on their way at a time: the rows that it owns of two blocks, so that the sums of one are under
  /// way while those of the next begin; and with small blocks some messages.
  package static func byteLimit(_ table: ParameterTable, ranksPerNode: Int) -> Int {
    let longest = table.blocks.map(\.count).max() ?? 0
    return max(4 * pieceCount * fewestMessages, 2 * 4 * longest / ranksPerNode)
  }

  /// How many were added since the start.
  var added: Int { dropped + messages.count }

  /// How many of these are complete, without those after the first that is not.
  var completed: Int { dropped + finished }

  /// Adds a message; `advance` starts it.
  package func add(byteCount: Int, _ start: @escaping () throws -> Request) {
    messages.append(Message(byteCount: byteCount, start: start))
  }

  /// Lets messages advance, without waiting; true when all are complete.
  package func advance() throws -> Bool {
    while finished < messages.count {
      while started < messages.count, bytesUnderWay == 0 || bytesUnderWay + messages[started].byteCount <= byteLimit {
        messages[started].request = try messages[started].start()
        bytesUnderWay += messages[started].byteCount
        mostBytesUnderWay = max(mostBytesUnderWay, bytesUnderWay)
        started += 1
      }
      let before = bytesUnderWay
      for index in finished..<started where !messages[index].isComplete {
        guard try messages[index].request!.test() else { continue }
        messages[index].isComplete = true
        bytesUnderWay -= messages[index].byteCount
      }
      while finished < started, messages[finished].isComplete { finished += 1 }
      if bytesUnderWay == before { return false }
    }
    dropped += messages.count
    (messages, started, finished) = ([], 0, 0)
    return true
  }
}

extension MessageWindow {
  /// Adds the sum of a vector over the group, in place.
  func addSum(_ values: Vector, owner: AnyObject) {
    guard group.size > 1 else { return }
    for first in stride(from: 0, to: values.count, by: Self.pieceCount) {
      let part = values[first..<min(first + Self.pieceCount, values.count)]
      add(byteCount: 4 * part.count) { [group] in try group.iAllReduce(part.base, count: part.count, owner: owner) }
    }
  }

  /// Bytes that MPI takes for sums: a copy of each that is under way.
  ///
  /// - Parameter total: bytes of all that are added before the first are waited for.
  static func sumBytes(total: Int, byteLimit: Int, nodes: Int) -> Int { nodes == 1 ? 0 : min(total, byteLimit) }
}
