import Dispatch
import Foundation

/// Shows a run on the terminal until somebody quits.
package final class LiveView: Sendable {
  private let screen = TerminalScreen()
  private let wakeup = Wakeup()

  package init() {}

  /// Whether standard output is a terminal that can show it.
  package static var isPossible: Bool { TerminalScreen.isUsable(ProcessInfo.processInfo.environment) }

  /// Gives the terminal back as it was, before a signal ends the program. Any thread may call it.
  package func restore() { screen.restore() }

  /// - Throws: `DalleError` if the terminal cannot be written to.
  package func run(_ watcher: RunWatcher) throws {
    let reader = BackgroundReader(watcher) { [wakeup] in wakeup.wake() }
    signal(SIGWINCH, SIG_IGN)
    let resized = DispatchSource.makeSignalSource(signal: SIGWINCH, queue: .global())
    resized.setEventHandler { [wakeup] in wakeup.wake() }
    resized.resume()
    defer {
      resized.cancel()
      screen.restore()
    }
    try screen.show()
    reader.start()
    var state = ViewState()
    var hasKeys = screen.hasKeys
    var bytes: [UInt8] = []
    while true {
      try draw(reader.observation, &state)
      guard let more = wakeup.wait(forKeys: hasKeys) else {
        hasKeys = false
        continue
      }
      bytes += more
      for key in Keys.take(from: &bytes) {
        switch key {
        case .quit: return
        case .suspend: try suspend()
        default: state.apply(key)
        }
      }
    }
  }

  private func draw(_ observation: Observation?, _ state: inout ViewState) throws {
    let size = TerminalScreen.size
    let environment = ProcessInfo.processInfo.environment
    let paper = Paper(
      columns: size.columns, rows: size.rows, isUnicode: Paper.isUnicode(environment), hasColor: Paper.wantsColor(environment))
    guard let observation else { return try screen.draw(["reading"], size: size) }
    let page = Page(observation, body: state.body, offset: state.offset, on: paper)
    state.fit(page)
    try screen.draw(page.lines.map { $0.text(on: paper) }, size: size)
  }

  /// Ctrl-Z: the shell gets its terminal, until it continues the program.
  private func suspend() throws {
    screen.restore()
    kill(0, SIGSTOP)
    try screen.show()
  }
}

/// What the user has chosen to see.
struct ViewState {
  private(set) var body = PageBody.ranks
  private(set) var offset = 0
  private var bodyRows = 1
  private var lastOffset = 0

  init() {}

  mutating func apply(_ key: Key) {
    switch key {
    case .up: offset -= 1
    case .down: offset += 1
    case .pageUp: offset -= max(1, bodyRows - 1)
    case .pageDown: offset += max(1, bodyRows - 1)
    case .home: offset = 0
    case .end: offset = lastOffset
    case .warnings: (body, offset) = (body == .ranks ? .warnings : .ranks, 0)
    case .quit, .suspend: break
    }
    offset = max(0, min(offset, lastOffset))
  }

  /// Takes over how much there is to scroll.
  mutating func fit(_ page: Page) {
    (bodyRows, lastOffset) = (page.bodyRows, page.lastOffset)
    offset = max(0, min(offset, lastOffset))
  }
}
