import Files
import Foundation
import Synchronization
import Testing

@testable import Monitoring

/// The format of TensorBoard's files. What TensorBoard itself reads in them, `Tests/BoardTests` checks.
@Suite struct TensorBoardTests {
  /// RFC 3720, B.4, and the check value of catalogs of CRCs.
  @Test func checksumsAreThoseOfTheStandard() {
    #expect(CRC32C.checksum([UInt8](repeating: 0, count: 32)) == 0x8a91_36aa)
    #expect(CRC32C.checksum([UInt8](repeating: 255, count: 32)) == 0x62a8_ab43)
    #expect(CRC32C.checksum([UInt8](0..<32)) == 0x46dd_794e)
    #expect(CRC32C.checksum((0..<32).reversed()) == 0x113f_db5c)
    #expect(CRC32C.checksum(Array("123456789".utf8)) == 0xe306_9283)
  }

  private func hex(_ bytes: [UInt8]) -> String { bytes.map { String(format: "%02x", $0) }.joined() }

  /// Records that TensorBoard's own writer made.
  @Test func recordsAreThoseOfTensorBoard() {
    #expect(hex(EventMessage.framed([])) == "000000000000000029039807d8ea82a2")
    #expect(hex(EventMessage.framed(Array("abc".utf8))) == "0300000000000000b099490e6162636e57f121")
    #expect(
      hex(EventMessage.start(time: 1.5, step: 401)) == "100000000000000095fbfe1809000000000000f83f1091033a020801a5bbac9f")
  }

  @Test func negativeAndLongNumbersAreVarints() {
    var message = ProtocolMessage()
    message.append(2, 300)
    message.append(2, -1)
    #expect(hex(message.bytes) == "10ac02" + "10ffffffffffffffffff01")
  }

  @Test func aShortTrainingKeepsEveryStep() {
    var thinning = Thinning(parts: 100, steps: 100, done: 0)
    #expect((1...100).allSatisfy { thinning.takes($0) })
    var resumed = Thinning(parts: 100, steps: 60, done: 40)
    #expect((41...60).allSatisfy { resumed.takes($0) })
  }

  /// Resumed anywhere, the rest of the training keeps the same steps.
  @Test(arguments: [0, 1, 49_999, 50_000, 50_001, 999_998]) func aLongTrainingKeepsSome(done: Int) {
    var whole = Thinning(parts: 20_000, steps: 1_000_000, done: 0)
    let kept = (1...1_000_000).filter { whole.takes($0) }
    #expect(kept.count == 20_001)
    #expect(kept.first == 1 && kept.last == 1_000_000)
    var resumed = Thinning(parts: 20_000, steps: 1_000_000, done: done)
    #expect((done + 1...1_000_000).filter { resumed.takes($0) } == kept.filter { $0 > done })
  }

  @Test func bucketsKeepAllCounts() {
    let few = Buckets([5, 3, 0])
    #expect(few.limits == [1, 2, 3] && few.counts == [5, 3, 0])
    #expect(few.total == 8 && few.sum == 3 && few.sumOfSquares == 3)
    let many = Buckets((0..<8192).map { 8191 - $0 })
    #expect(many.counts.count == 256 && many.limits.last == 8192)
    #expect(many.counts.reduce(0, +) == many.total && many.total == 8191 * 8192 / 2)
    let odd = Buckets([Int](repeating: 1, count: 257))
    #expect(odd.limits.last == 257 && odd.counts.last == 1 && odd.total == 257)
    #expect(Buckets([]).counts.isEmpty)
  }

  private let folder = NSTemporaryDirectory() + "board-\(UUID().uuidString)"

  private func metrics(_ loss: Double) -> StepMetrics {
    StepMetrics(
      loss: loss, losses: [Metric("text", loss)], gradientNorm: 1, lr: 1e-3, throughput: Metric("tokensPerSecond", 10),
      seconds: 0.1, isSkipped: false)
  }

  private func begun(_ steps: Int) -> Event.Kind {
    .trainingBegun(
      TrainingFacts(
        job: Job(hostNames: ["a"], precision: "fp32"), steps: steps, logEvery: 1, batch: 1, parameters: 1, unit: "tokens",
        unitsPerSample: 1, flopsPerSample: 1, gemmPeak: 1))
  }

  private func event(_ step: Int, _ kind: Event.Kind) -> Event { Event(time: 1.8e9, stage: "dvae", step: step, kind) }

  private func names(_ folder: String) throws -> [String] { try namesInFolder(folder).sorted() }

  /// A job on a host whose clock is late makes a file that TensorBoard reads after those of earlier jobs.
  @Test func everyJobHasAFileOfItsOwnBehindTheOthers() throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let stage = folder + "/dvae"
    try makeFolder(stage)
    try Data().write(to: URL(fileURLWithPath: stage + "/events.out.tfevents.4000000000.elsewhere"))
    for _ in 0..<2 {
      let sink = TensorBoardSink(folder: folder, configuration: "seed: 1")
      sink.record(event(0, begun(10)))
      sink.record(event(1, .step(metrics(2))))
      sink.flush()
    }
    let found = try names(stage)
    #expect(found.count == 3)
    #expect(found.dropFirst().map { $0.split(separator: ".")[3] } == ["4000000001", "4000000002"])
    #expect(!FileManager.default.fileExists(atPath: stage + "/validation"))
  }

  /// What a checkpoint includes is on disk without a flush, because the job may be killed.
  @Test func stepsAreWrittenWithACheckpoint() throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let sink = TensorBoardSink(folder: folder, configuration: "seed: 1")
    sink.record(event(0, begun(10)))
    sink.record(event(1, .checkpoint(path: "")))
    sink.record(event(1, .step(metrics(2))))
    let deadline = ContinuousClock.now + .seconds(2)
    while ContinuousClock.now < deadline, (try? names(folder + "/dvae").count) != 1 { usleep(10_000) }
    #expect(try names(folder + "/dvae").count == 1)
  }

  /// An image that never comes stands for a disk that hangs.
  @Test func aDiskThatHangsDelaysNothing() throws {
    try makeFolder(folder)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let pipe = folder + "/pipe"
    try #require(mkfifo(pipe, 0o600) == 0)
    let sink = TensorBoardSink(folder: folder, configuration: "seed: 1")
    sink.record(event(0, begun(100_000)))
    sink.record(event(1, .sampleGrid(path: pipe)))
    sink.record(event(1, .checkpoint(path: "")))
    let time = ContinuousClock().measure { for step in 1...100_000 { sink.record(event(step, .step(metrics(2)))) } }
    #expect(time < .seconds(2))  // 20 µs a step; it takes a tenth
    let end = open(pipe, O_WRONLY)
    close(end)
    sink.flush()
    let file = try #require(try names(folder + "/dvae").first)
    // 20,001 records of six values
    #expect(try fileSize("\(folder)/dvae/\(file)") > 20_001 * 6 * 16)
  }

  @Test func whatCannotBeWrittenIsOneWarning() throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try Data().write(to: URL(fileURLWithPath: folder))
    let warnings = Warnings()
    FileWarnings.show { warnings.add($0) }
    let sink = TensorBoardSink(folder: folder, configuration: "seed: 1")
    sink.record(event(0, begun(10)))
    for step in 1...10 {
      sink.record(event(step, .step(metrics(2))))
      sink.flush()
    }
    #expect(warnings.all.count == 1)
    #expect(warnings.all.first?.hasPrefix(folder) == true)
    #expect(warnings.all.first?.hasSuffix("TensorBoard gets nothing more of this job; training continues") == true)
  }

  private final class Warnings: Sendable {
    private let texts = Mutex<[String]>([])
    var all: [String] { texts.withLock { $0 } }
    func add(_ text: String) { texts.withLock { $0.append(text) } }
  }
}
