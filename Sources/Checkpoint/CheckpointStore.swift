import Errors
import Files
import Foundation
import Kernels
import Layers
import MPI
import Memory
import Optimization
import Parallel
import Safetensors
import Synchronization

/// The checkpoints of one training: written by the coordinator on a thread beside training, read by every node.
///
/// Weights and states do not change during forward and backward passes, so the thread reads them where they lie, without
/// a copy; the trainer calls `waitUntilRead` before it updates them. Where nodes keep different rows, training waits while the
/// coordinator collects them.
package final class CheckpointStore {
  package let folder: String
  private let grid: ProcessGrid
  private let keepLast: Int
  private let keepEvery: Int
  private let fileLimit: Int
  private let warn: (String) -> Void
  private var job: Job?
  private var mustWait = false

  /// - Parameters:
  ///   - keepLast: newest checkpoints that stay.
  ///   - keepEvery: checkpoints at multiples of this step stay for ever; 0 for none.
  ///   - fileLimit: bytes of a file of tensors at most.
  ///   - warn: takes what goes wrong without ending a training, on the coordinator.
  package init(
    folder: String, grid: ProcessGrid, keepLast: Int, keepEvery: Int, fileLimit: Int = ShardedSafetensorsWriter.usualLimit,
    warn: @escaping (String) -> Void = { _ in }
  ) throws {
    precondition(keepLast >= 1, "keepLast \(keepLast)")
    self.folder = folder
    self.grid = grid
    self.keepLast = keepLast
    self.keepEvery = keepEvery
    self.fileLimit = fileLimit
    self.warn = warn
    guard grid.isCoordinator else { return }
    try makeFolder(folder)
    // The run's lock is held, so whatever is incomplete was left by a job that was killed.
    for name in try namesInFolder(folder).sorted() {
      let path = "\(folder)/\(name)"
      let isIncomplete = CheckpointWriter.step(ofName: name) != nil && !CheckpointWriter.isComplete(path)
      guard isIncomplete || name.hasPrefix(CheckpointWriter.partialPrefix) else { continue }
      do { try removeAll(path) } catch { warn("\(error); an incomplete checkpoint stays there, without effect") }
    }
  }

  /// Where the checkpoint of a step is when it is complete.
  package func path(step: Int) -> String { folder + "/" + CheckpointWriter.name(step) }

  // MARK: Saving

  /// Starts writing checkpoint `step`. Collective; waits for the one before.
  ///
  /// - Parameter keeping: the step of a checkpoint that stays although it is old.
  package func save(step: Int, parameters: NodeParameterStore, state: some Encodable, keeping: Int? = nil) throws {
    // What settles may be read for the checkpoint before.
    try waitUntilRead()
    try parameters.settle()
    mustWait = true
    guard grid.isCoordinator else {
      if parameters.isSpread || parameters.isLocal, grid.node.rank == 0 { try CheckpointWriter.send(parameters, to: grid.across) }
      return
    }
    try waitForJob()
    let data = try VersionedJSON.data(state, version: CheckpointFile.stateVersion)
    let retention = Retention(folder: folder, keepLast: keepLast, keepEvery: keepEvery, kept: keeping)
    let writer = CheckpointWriter(folder: folder, step: step, fileLimit: fileLimit)
    let received = try writer.discardingAfterError { try $0.collect(parameters, from: grid.across) }
    job = Job(writer, parameters, nodes: grid.across, received: received, state: data, retention)
  }

  /// Waits until the arrays of a checkpoint under way have been read. Collective; call it before they change.
  package func waitUntilRead() throws {
    guard mustWait else { return }
    mustWait = false
    try job?.waitUntilRead()
    try grid.node.barrier()
  }

  /// Waits until the last checkpoint is on disk. Collective.
  package func finish() throws {
    mustWait = false
    try waitForJob()
    try grid.world.barrier()
  }

  private func waitForJob() throws {
    defer { job = nil }
    try job?.wait()
    for warning in job?.warnings ?? [] { warn(warning) }
  }

  /// Waits until a checkpoint that was begun is on disk, or has failed, before an error ends the training. Not collective.
  package func finishAfterError() { try? waitForJob() }

  // MARK: Loading

  /// Loads the newest complete checkpoint into `parameters` on every node; nil if there is none. Collective.
  /// A damaged newest checkpoint is an error that names the file: it is for the user to decide to go back further.
  ///
  /// - Parameter defaults: values for keys of the state that checkpoints of older versions lack.
  package func loadLatest<State: Codable>(
    _: State.Type, into parameters: NodeParameterStore, defaults: some Encodable = [String: Int]()
  ) throws -> State? {
    let newest: Newest? = try grid.world.decide {
      guard let step = try Self.steps(in: folder).last else { return nil }
      let manifest = try Manifest.verified(in: self.path(step: step))
      func has(_ set: String) -> Bool { manifest.files.keys.contains { $0.hasPrefix("\(set).") || $0.hasPrefix("\(set)-") } }
      return Newest(
        step: step, hasSums: has(CheckpointFile.exchange), hasEMA: has(CheckpointFile.ema),
        nodes: NodeSet.count(in: manifest.files.keys))
    }
    guard let newest else { return nil }
    let path = path(step: newest.step)
    let ema = parameters.stateArrays.first { $0.isEMA }
    let keepsEMA = ema != nil
    if newest.hasEMA != keepsEMA, grid.isCoordinator {
      warn(
        keepsEMA
          ? "\(path): has no EMA, since the training kept none; it begins with these weights"
          : "\(path): has an EMA, which is dropped, because ema.every is 0 now; models are made of the weights themselves")
    }
    if newest.hasSums, grid.isCoordinator, !parameters.stateArrays.contains(where: { $0.placement == .summed }) {
      warn(
        "\(path)/\(CheckpointFile.exchange).safetensors: has gradients that PowerSGD has not applied yet; they are dropped, because "
          + "parallel.exchange is not powersgd any more. Resume from this checkpoint with powersgd to apply them")
    }
    // Whether nodes resume with the mean of what others had.
    let mixes = newest.nodes > 0 && (!parameters.isLocal || newest.nodes != grid.nodeCount)
    if mixes, grid.isCoordinator {
      warn(
        "\(path): has the weights that \(newest.nodes) nodes had in a round of local updates; "
          + (parameters.isLocal
            ? "now there are \(grid.nodeCount), which resume the round with their mean, and with the optimizer state of node i mod "
              + "\(newest.nodes) on node i"
            : "training continues with their mean and with the optimizer state of the first, because parallel.localUpdates is 0 now; the "
              + "outer momentum is dropped"))
    }
    if grid.node.rank == 0 {
      let node = newest.nodes == 0 ? nil : (parameters.isLocal ? grid.across.rank : 0) % newest.nodes
      for (set, arrays) in CheckpointFile.contents(parameters, node: node) {
        // A training that did not compress has no sums yet; those of one that did go to the first node.
        if set == CheckpointFile.exchange, !newest.hasSums || grid.across.rank > 0 { continue }
        if set == CheckpointFile.ema, !newest.hasEMA { continue }
        let reader = try ShardedSafetensorsReader(folder: path, name: set)
        var expected = Set<String>()
        for (array, prefix) in arrays {
          for parameter in parameters.table.parameters {
            expected.insert(prefix + parameter.name)
            // Where nodes keep different rows, each reads its own.
            for (node, range) in parameters.holders(array, of: parameter) where !parameters.isSpread || node == grid.across.rank {
              try read(parameter, range, of: array, named: prefix + parameter.name, from: reader, into: parameters)
            }
          }
        }
        if let extra = reader.names.filter({ !expected.contains($0) }).min() {
          throw DalleError(
            .data,
            "\(reader.path): has a tensor `\(extra)` that this training does not keep; resume with the model and optimizer that it began "
              + "with, or use another --run")
        }
      }
      if mixes { try NodeSet.readMeanWeights(of: newest.nodes, in: path, into: parameters) }
    }
    try grid.node.barrier()
    if parameters.isLocal, newest.nodes == 0 { parameters.restart(OuterOptimizer.weights) }
    if let ema, !newest.hasEMA { parameters.restart(ema, from: parameters.isLocal ? OuterOptimizer.weights : nil) }
    return try grid.world.decide {
      try VersionedJSON.read(
        State.self, from: "\(path)/\(CheckpointFile.state)", version: CheckpointFile.stateVersion, defaults: defaults)
    }
  }

  /// What the coordinator finds.
  private struct Newest: Codable {
    var step: Int
    /// Whether it has what nodes have sums of.
    var hasSums: Bool
    var hasEMA: Bool
    /// Nodes whose own arrays it has; 0 where nodes had the same.
    var nodes: Int
  }

  /// - Parameter range: floats of the parameter's block.
  private func read(
    _ parameter: Parameter, _ range: Range<Int>, of array: StateArray?, named name: String, from reader: ShardedSafetensorsReader,
    into parameters: NodeParameterStore
  ) throws {
    func read(_ values: VectorView<some TensorElement>) throws {
      try reader.read(
        name, shape: parameter.shape, from: range.lowerBound - parameter.offset,
        into: UnsafeMutableBufferPointer(start: values[range].base, count: range.count))
    }
    if let array, let type = reader.info(name)?.type, type != array.elementType.tensorType {
      throw DalleError(
        .configuration,
        "\(reader.path): has `\(array.name)` as \(type.rawValue), and this training keeps it as \(array.elementType.tensorType.rawValue); set "
          + "\(array.isEMA ? "ema.format" : "adamw.moments") to what the run began with, or use another --run")
    }
    switch array?.elementType {
    case .bf16?: try read(parameters.bf16Values(array!, of: parameter.block))
    case .float169?, .float610?: try read(parameters.halfValues(array!, of: parameter.block))
    case .fp32?, nil: try read(parameters.fp32Values(array, of: parameter.block))
    }
  }

  /// Steps of the complete checkpoints in a folder, ascending.
  package static func steps(in folder: String) throws -> [Int] {
    guard FileManager.default.fileExists(atPath: folder) else { return [] }
    return try namesInFolder(folder).compactMap { name in
      CheckpointWriter.isComplete("\(folder)/\(name)") ? CheckpointWriter.step(ofName: name) : nil
    }.sorted()
  }

  /// Writes the weights of a complete checkpoint in a folder to one safetensors file, whole or not at all.
  ///
  /// - Parameters:
  ///   - step: of the checkpoint; nil for the newest.
  ///   - averaged: whether those of the EMA are taken.
  ///   - metadata: for the file's header, beside `step`.
  ///   - isWanted: whether a parameter is written, by its name.
  /// - Throws: `DalleError` if there is no checkpoint.
  package static func exportWeights(
    in folder: String, step: Int? = nil, averaged: Bool, to path: String, metadata: [String: String] = [:],
    where isWanted: (_ parameter: String) -> Bool = { _ in true }
  ) throws {
    let steps = try steps(in: folder)
    guard let step = step == nil ? steps.last : steps.first(where: { $0 == step }) else {
      throw DalleError(
        .noInput,
        "\(folder): holds no complete checkpoint\(step.map { " of step \($0)" } ?? ""); train the model\(step == nil ? " first" : " again")"
      )
    }
    let reader = try ShardedSafetensorsReader(
      folder: "\(folder)/\(CheckpointWriter.name(step))", name: averaged ? CheckpointFile.ema : CheckpointFile.model)
    let tensors = reader.names.filter(isWanted).sorted().map { (name: $0, shape: reader.info($0)!.shape, type: TensorType.f32) }
    let temporary = path + ".partial"
    do {
      let writer = try SafetensorsWriter(temporary, tensors: tensors, metadata: metadata.merging(["step": "\(step)"]) { $1 })
      let buffer = Buffer<Float>(count: 1 << 20)
      // An EMA may be in bf16.
      let rounded = Buffer<BFloat16>(count: buffer.count)
      for tensor in tensors {
        let count = tensor.shape.reduce(1, *)
        for first in stride(from: 0, to: count, by: buffer.count) {
          let part = buffer.vector[0..<min(buffer.count, count - first)]
          if reader.info(tensor.name)!.type == .bf16 {
            let rounded = rounded.vector[0..<part.count]
            try reader.read(
              tensor.name, shape: tensor.shape, from: first,
              into: UnsafeMutableBufferPointer(start: rounded.base, count: part.count))
            widen(rounded, into: part)
          } else {
            try reader.read(
              tensor.name, shape: tensor.shape, from: first, into: UnsafeMutableBufferPointer(start: part.base, count: part.count))
          }
          try writer.write(UnsafeBufferPointer(start: part.base, count: part.count))
        }
      }
      try writer.finish()
      guard rename(temporary, path) == 0 else { throw DalleError.file(path, "cannot be written") }
      try synchronizeFolder((path as NSString).deletingLastPathComponent)
    } catch {
      unlink(temporary)
      throw error
    }
  }
}

/// Which old checkpoints go when a new one is complete.
struct Retention: Sendable {
  let folder: String
  let keepLast: Int
  let keepEvery: Int
  /// The step of one that stays.
  let kept: Int?

  /// Removes them; returns a warning for each that stays because it cannot be removed.
  func apply() -> [String] {
    func attempt(_ body: () throws -> Void) -> [String] {
      do {
        try body()
        return []
      } catch { return ["\(error); training continues, but old checkpoints fill the disk"] }
    }
    var steps: [Int] = []
    let warnings = attempt { steps = try CheckpointStore.steps(in: folder).dropLast(keepLast) }
    return warnings
      + steps.filter { $0 != kept && (keepEvery == 0 || $0 % keepEvery != 0) }.flatMap { step in
        attempt { try removeCheckpoint(folder + "/" + CheckpointWriter.name(step)) }
      }
  }
}

/// One checkpoint being written on its own thread.
private final class Job: @unchecked Sendable {
  // Safe to share: `read`, `done` and `error` are guarded by `condition`; the parameters are only read by the thread until
  // `read` is set, and nobody writes them before `waitUntilRead` has returned.
  private let condition = NSCondition()
  private var read = false
  private var done = false
  private var error: (any Error)?
  private(set) var warnings: [String] = []
  private let parameters: NodeParameterStore
  private let nodes: Communicator

  /// - Parameters:
  ///   - nodes: the first ranks of all nodes.
  ///   - received: names of files that are written already, with what other nodes keep.
  init(
    _ writer: CheckpointWriter, _ parameters: NodeParameterStore, nodes: Communicator, received: [String], state: Data,
    _ retention: Retention
  ) {
    (self.parameters, self.nodes) = (parameters, nodes)
    read = parameters.isSpread
    let thread = Thread { [self] in
      do {
        try writer.discardingAfterError { writer in
          let files = try received + (self.parameters.isSpread ? [] : writer.writeArrays(self.parameters, from: self.nodes))
          signal { read = true }
          try writer.complete(files, state: state)
        }
        let warnings = retention.apply()
        signal { self.warnings = warnings }
      } catch {
        signal { self.error = error }
      }
      signal {
        read = true
        done = true
      }
    }
    thread.name = "checkpoint"
    thread.start()
  }

  private func signal(_ change: () -> Void) {
    condition.lock()
    change()
    condition.broadcast()
    condition.unlock()
  }

  func waitUntilRead() throws { try wait { read } }
  func wait() throws { try wait { done } }

  private func wait(until isReady: () -> Bool) throws {
    condition.lock()
    defer { condition.unlock() }
    while !isReady() { condition.wait() }
    if let error { throw error }
  }
}
