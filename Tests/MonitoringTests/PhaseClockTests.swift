import Foundation
import Testing

@testable import Monitoring

@Suite struct PhaseClockTests {
  private func sleep(_ seconds: Double) { Thread.sleep(forTimeInterval: seconds) }

  /// Time counts for one phase alone: waiting within the backward pass is no part of it.
  @Test func phasesDoNotOverlap() throws {
    let clock = PhaseClock()
    clock.take()
    let start = ContinuousClock.now
    clock.measure(.forward) {
      sleep(0.02)
      clock.enter(.backward)
      clock.measure(.wait) { sleep(0.05) }
      #expect(clock.position.phase == .backward)
      sleep(0.03)
    }
    #expect(clock.position.phase == .other)
    let seconds = clock.take()
    let whole = (ContinuousClock.now - start) / .seconds(1)
    #expect(abs(seconds.total - whole) < 1e-3)
    #expect(seconds[.forward] >= 0.02 && seconds[.wait] >= 0.05 && seconds[.backward] >= 0.03)
    #expect(seconds[.forward] + seconds[.wait] + seconds[.backward] > 0.98 * whole)
    #expect(abs(seconds.busy - (seconds.total - seconds[.wait])) < 1e-9)
    // Taken is taken.
    #expect(clock.take().total < 0.02)
  }

  @Test func anErrorLeavesThePhase() {
    struct Failure: Error {}
    let clock = PhaseClock()
    #expect(throws: Failure.self) { try clock.measure(.data) { throw Failure() } }
    #expect(clock.position.phase == .other)
  }

  @Test func changesAndTicksAreProgress() {
    let clock = PhaseClock()
    let before = clock.position.changes
    clock.tick()
    clock.measure(.update) {}
    clock.measure(.other) {}  // no change
    #expect(clock.position.changes == before + 3)
  }
}
