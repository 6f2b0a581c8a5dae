import Dispatch
import Errors
import Files
import Foundation
import Synchronization

/// Writes the curves, images, histograms and the configuration of each training for TensorBoard, on a thread of its own: neither a slow
/// disk nor a full one holds training up. Where a file cannot be written there is one warning, and nothing more is written.
///
/// Files are written every few seconds, and at once when a checkpoint was taken: a job that resumes from it finds all steps before it.
package final class TensorBoardSink: EventSink, Sendable {
  /// Most events of each kind in a training of any length. TensorBoard shows 1,000 points of a curve, 500 histograms and 10 images, and
  /// reads all that there are.
  private static let (mostSteps, mostHistograms, mostImages) = (20_000, 500, 50)
  private static let secondsBetweenWrites = 5.0
  /// Longer than this, the end of a job does not wait for a disk.
  private static let secondsToFinish = 10.0

  private struct State {
    var pending: [BoardEntry] = []
    var isScheduled = false
    var isClosed = false
    /// A checkpoint was taken: its step comes now.
    var isUrgent = false
    /// Names of the loss's parts, so that those of a validation get the same tag.
    var losses: Set<String> = ["loss"]
    var steps: Thinning?
    var validations: Thinning?
    var histograms: Thinning?
    var images: Thinning?
  }

  private let configuration: String
  private let state = Mutex(State())
  private let writer: Mutex<BoardWriter>
  private let queue = DispatchQueue(label: "TensorBoard")

  /// - Parameters:
  ///   - folder: gets a folder for each stage.
  ///   - configuration: that of the run, in YAML.
  package init(folder: String, configuration: String) {
    self.configuration = configuration
    writer = Mutex(BoardWriter(folder: folder))
  }

  package func record(_ event: Event) {
    guard let stage = event.stage, let step = event.step else { return }
    state.withLock { state in
      if state.isClosed { return }
      state.pending += entries(event, stage: stage, step: step, &state)
      switch event.kind {
      case .checkpoint: state.isUrgent = true
      case .step where state.isUrgent:
        state.isUrgent = false
        queue.async { self.write() }
      default:
        if state.pending.isEmpty || state.isScheduled { return }
        state.isScheduled = true
        queue.asyncAfter(deadline: .now() + Self.secondsBetweenWrites) { self.write() }
      }
    }
  }

  package func flush() {
    let isDone = DispatchSemaphore(value: 0)
    queue.async {
      self.write()
      isDone.signal()
    }
    _ = isDone.wait(timeout: .now() + Self.secondsToFinish)
  }

  private func entries(_ event: Event, stage: String, step: Int, _ state: inout State) -> [BoardEntry] {
    func entry(_ values: [(tag: String, value: BoardValue)], isValidation: Bool = false) -> [BoardEntry] {
      [BoardEntry(stage: stage, isValidation: isValidation, time: event.time, step: step, content: .values(values))]
    }
    switch event.kind {
    case .trainingBegun(let facts):
      func thinning(_ most: Int) -> Thinning { Thinning(parts: most, steps: facts.steps, done: step) }
      (state.steps, state.validations) = (thinning(Self.mostSteps), thinning(Self.mostSteps))
      (state.histograms, state.images) = (thinning(Self.mostHistograms), thinning(Self.mostImages))
      // It holds from the next step.
      let text = BoardValue.text("```yaml\n\(configuration)\n```")
      let begin = BoardEntry(stage: stage, time: event.time, step: step + 1, content: .begin)
      return [begin, BoardEntry(stage: stage, time: event.time, step: step + 1, content: .values([("configuration", text)]))]
    case .step(let metrics):
      state.losses.formUnion(metrics.losses.map(\.name))
      return state.steps?.takes(step) == true ? entry(Self.values(metrics)) : []
    case .validation(let metrics):
      guard state.validations?.takes(step) == true else { return [] }
      let losses = state.losses
      return entry(
        metrics.map { (losses.contains($0.name) ? Self.lossTag($0.name) : "validation/\($0.name)", .scalar($0.value)) },
        isValidation: true)
    case .histogram(let name, let counts):
      return state.histograms?.takes(step) == true ? entry([(name, .histogram(counts: counts))], isValidation: true) : []
    case .sampleGrid(let path): return state.images?.takes(step) == true ? entry([("samples", .image(path: path))]) : []
    case .started, .stageBegun, .stageFinished, .ranks, .checkpoint, .message, .warning, .skip, .ended: return []
    }
  }

  private static func lossTag(_ name: String) -> String { name == "loss" ? "loss/total" : "loss/\(name)" }

  private static func values(_ metrics: StepMetrics) -> [(tag: String, value: BoardValue)] {
    let losses = [Metric("loss", metrics.loss)] + metrics.losses
    return losses.map { (lossTag($0.name), .scalar($0.value)) } + [
      ("training/gradientNorm", .scalar(metrics.gradientNorm)), ("training/lr", .scalar(metrics.lr)),
      ("speed/\(metrics.throughput.name)", .scalar(metrics.throughput.value)), ("speed/secondsPerStep", .scalar(metrics.seconds)),
    ]
  }

  /// Writes what is pending. Called on the queue.
  private func write() {
    let entries = state.withLock { state in
      defer { (state.pending, state.isScheduled) = ([], false) }
      return state.pending
    }
    do {
      try writer.withLock { try $0.write(entries) }
    } catch {
      let isFirst = state.withLock { state in
        defer { (state.isClosed, state.pending) = (true, []) }
        return !state.isClosed
      }
      if isFirst { FileWarnings.warn("TensorBoard", "\(error). TensorBoard gets nothing more of this job; training continues") }
    }
  }
}
