import Kernels
import Memory
import Synchronization
import TestSupport
import Testing

@Suite struct KernelPausesTests {
  private func product() {
    let (operand, result) = (kept(count: 16).vector, kept(count: 16).vector)
    matmul(operand.matrix(rows: 4, columns: 4), operand.matrix(rows: 4, columns: 4), into: result.matrix(rows: 4, columns: 4))
  }

  @Test func workIsDoneAfterEachKernelAndNowhereElse() {
    let count = Mutex(0)
    let pauses = KernelPauses(every: .zero) { count.withLock { $0 += 1 } }
    product()
    pauses.use { for _ in 0..<3 { product() } }
    product()
    #expect(count.withLock { $0 } == 3)
  }

  @Test func workIsDoneOnceInAnInterval() {
    let count = Mutex(0)
    KernelPauses(every: .seconds(3600)) { count.withLock { $0 += 1 } }.use { for _ in 0..<100 { product() } }
    #expect(count.withLock { $0 } == 1)
  }

  @Test func kernelsOfTheWorkDoNotPause() {
    let count = Mutex(0)
    let pauses = KernelPauses(every: .zero) {
      count.withLock { $0 += 1 }
      product()
    }
    pauses.use { product() }
    #expect(count.withLock { $0 } == 1)
  }
}
