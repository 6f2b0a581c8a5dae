import Synchronization

/// What this rank does, and how long each phase takes. At every moment there is one phase: time that is measured within another phase
/// counts for the inner one alone, so that waiting for other ranks shows wherever it happens.
package final class PhaseClock: Sendable {
  /// The phase at a moment.
  package struct Position: Sendable {
    package var phase = Phase.other
    package var since = ContinuousClock.now
    /// Grows with every change of phase, and with `tick`.
    package var changes = 0
  }

  private struct State {
    var position = Position()
    /// Up to `position.since`.
    var seconds = PhaseSeconds()
    /// When `position.phase` was last added to `seconds`.
    var counted = ContinuousClock.now
  }
  private let state = Mutex(State())

  package init() {}

  /// Does something that is this phase, apart from phases within it.
  package func measure<Result>(_ phase: Phase, _ body: () throws -> Result) rethrows -> Result {
    let outer = enter(phase)
    defer { enter(outer) }
    return try body()
  }

  /// Changes the phase until the next change; gives the one before.
  @discardableResult package func enter(_ phase: Phase) -> Phase {
    state.withLock { state in
      let outer = state.position.phase
      if outer == phase { return outer }
      let now = ContinuousClock.now
      state.seconds[outer] += (now - state.counted) / .seconds(1)
      state.counted = now
      state.position = Position(phase: phase, since: now, changes: state.position.changes + 1)
      return outer
    }
  }

  /// Seconds since the last call, which begins anew.
  @discardableResult package func take() -> PhaseSeconds {
    state.withLock { state in
      let now = ContinuousClock.now
      state.seconds[state.position.phase] += (now - state.counted) / .seconds(1)
      state.counted = now
      defer { state.seconds = PhaseSeconds() }
      return state.seconds
    }
  }

  /// Progress within a phase.
  package func tick() { state.withLock { $0.position.changes += 1 } }

  package var position: Position { state.withLock { $0.position } }
}
