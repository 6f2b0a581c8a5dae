import Errors
import Files
import Foundation
import Kernels
import MPI
import Memory
import Optimization
import Parallel
import Safetensors

/// The files of one checkpoint: sets of tensors, each in one file or in several with an index, and the state.
enum CheckpointFile {
  static let model = "model"
  static let ema = "ema"
  static let optimizer = "optimizer"
  /// The momentum of the outer optimizer, where nodes train apart from each other.
  static let outer = "outer"
  /// What was not applied of the gradients yet, where nodes exchange them with loss.
  static let exchange = "exchange"
  static let state = "state.json"
  /// Format of the state; goes up when a key gets another meaning.
  static let stateVersion = 1

  /// An array of the training: the weights (nil) or one of the state arrays, with what comes before the parameters' names.
  typealias NamedArray = (array: StateArray?, prefix: String)

  /// Which arrays lie in which set: the weights, their EMA, what nodes have sums of, and the rest under its own names. Where nodes train
  /// apart from each other, the weights are those that they have in common, and what this node has of its own is a set.
  static func contents(_ parameters: NodeParameterStore) -> [(set: String, arrays: [NamedArray])] {
    contents(parameters, node: parameters.isLocal ? parameters.grid.across.rank : nil)
  }

  /// - Parameter node: whose own arrays are a set; nil in a checkpoint of nodes that have the same.
  static func contents(_ parameters: NodeParameterStore, node: Int?) -> [(set: String, arrays: [NamedArray])] {
    let ema = parameters.stateArrays.filter(\.isEMA)
    let summed = parameters.stateArrays.filter { $0.placement == .summed }
    let outer = parameters.stateArrays.filter { OuterOptimizer.state.contains($0) }
    let rest = parameters.stateArrays.filter { !(ema + summed + outer).contains($0) }
    func named(_ arrays: [StateArray]) -> [NamedArray] { arrays.map { ($0, "\($0.name)/") } }
    var sets: [(String, [NamedArray])]
    if let node {
      sets = [
        (model, outer.filter { $0 == OuterOptimizer.weights }.map { ($0, "") }),
        (self.outer, named(outer.filter { $0 == OuterOptimizer.momentum })),
        (NodeSet.name(node), [(nil, "\(NodeSet.weights)/")] + named(rest)),
      ]
    } else {
      sets = [(model, [(nil, "")]), (optimizer, named(rest)), (exchange, named(summed))]
    }
    sets.append((self.ema, ema.map { ($0, "") }))
    return sets.filter { !$0.1.isEmpty }.map { (set: $0.0, arrays: $0.1) }
  }
}

/// Writes a checkpoint into a temporary folder and gives it its name when it is complete.
///
/// Order: arrays, state, manifest, each forced to disk; then one rename. A kill at any moment leaves either no folder of
/// that name or a complete one; what is left of a temporary folder is removed at the next start.
struct CheckpointWriter {
  let folder: String
  let step: Int
  /// Bytes of a file of tensors at most.
  let fileLimit: Int

  static func name(_ step: Int) -> String { "step-" + zeroPadded(step, digits: 8) }

  /// The step of a checkpoint's folder; nil for another name.
  static func step(ofName name: String) -> Int? { name.hasPrefix("step-") ? Int(name.dropFirst(5)) : nil }

  /// Whether a checkpoint's folder has its manifest, which is written last and removed first.
  static func isComplete(_ path: String) -> Bool { FileManager.default.fileExists(atPath: "\(path)/\(Manifest.name)") }

  static let partialPrefix = ".partial-"

  var temporary: String { folder + "/" + Self.partialPrefix + Self.name(step) }
  var final: String { folder + "/" + Self.name(step) }

  /// Writes the arrays, and returns the names of their files; afterwards the parameters may change.
  ///
  /// - Parameter nodes: the first ranks of all nodes. Where nodes keep different rows, the others send theirs meanwhile (`send`).
  /// - Throws: `DalleError` of kind `diverged` if the weights or their EMA are not finite: nobody could resume from them.
  func writeArrays(_ parameters: NodeParameterStore, from nodes: Communicator) throws -> [String] {
    try makeFolder(temporary)
    var files: [String] = []
    for (set, arrays) in CheckpointFile.contents(parameters) {
      files += try write(set, arrays, of: parameters, nodes)
    }
    return files
  }

  /// Writes what other nodes keep of their own, and returns the names of the files. It calls MPI, so training waits; the others call
  /// `send` meanwhile.
  func collect(_ parameters: NodeParameterStore, from nodes: Communicator) throws -> [String] {
    if parameters.isSpread { return try writeArrays(parameters, from: nodes) }
    guard parameters.isLocal else { return [] }
    try makeFolder(temporary)
    return try (1..<nodes.size).flatMap { node in
      let (set, arrays) = CheckpointFile.contents(parameters, node: node).first { $0.set == NodeSet.name(node) }!
      return try write(set, arrays, of: parameters, nodes, keptBy: node)
    }
  }

  /// Sends the coordinator what this node keeps, in the order in which `collect` writes it.
  static func send(_ parameters: NodeParameterStore, to nodes: Communicator) throws {
    let parts = ArrayParts(parameters: parameters, nodes: nodes)
    for (set, arrays) in CheckpointFile.contents(parameters) {
      if parameters.isSpread { try parts.forEach(of: arrays) { _ in } }
      if set == NodeSet.name(nodes.rank) { try parts.forEach(of: arrays, keptBy: nodes.rank) { _ in } }
    }
  }

  /// - Parameter node: that keeps all of the arrays; nil for those that do.
  private func write(
    _ set: String, _ arrays: [CheckpointFile.NamedArray], of parameters: NodeParameterStore, _ nodes: Communicator,
    keptBy node: Int? = nil
  ) throws -> [String] {
    let tensors = arrays.flatMap { array, prefix in
      parameters.table.parameters.map { (name: prefix + $0.name, shape: $0.shape, type: array?.elementType.tensorType ?? .f32) }
    }
    let writer = try ShardedSafetensorsWriter(
      folder: temporary, name: set, tensors: tensors, metadata: ["step": "\(step)"], limit: fileLimit)
    try ArrayParts(parameters: parameters, nodes: nodes).forEach(of: arrays, keptBy: node) { part in
      guard part.isFinite || part.array != nil && ![CheckpointFile.model, CheckpointFile.ema].contains(set) else {
        throw DalleError(
          .diverged,
          "\(final): is not written, because values of `\(part.parameter.name)` are infinite or NaN after step \(step): the training has "
            + "diverged; set its lr.peak lower and start again, it resumes from the newest checkpoint")
      }
      try part.write(to: writer)
    }
    try writer.finish()
    return writer.files
  }

  /// Writes state and manifest, and makes the checkpoint visible.
  func complete(_ files: [String], state: Data) throws {
    try replaceFile(temporary + "/" + CheckpointFile.state, with: state)
    try replaceFile(temporary + "/" + Manifest.name, with: JSON.pretty(Manifest(files + [CheckpointFile.state], in: temporary)))
    if FileManager.default.fileExists(atPath: final) { try removeCheckpoint(final) }
    guard rename(temporary, final) == 0 else { throw DalleError.file(final, "cannot be written") }
    try synchronizeFolder(folder)
  }

  /// Removes what a failed write left.
  func discardingAfterError<Result>(_ body: (CheckpointWriter) throws -> Result) throws -> Result {
    do { return try body(self) } catch {
      try? FileManager.default.removeItem(atPath: temporary)
      throw error
    }
  }
}

/// Removes a checkpoint, its manifest first: from then on it counts as none.
func removeCheckpoint(_ path: String) throws {
  unlink(path + "/" + Manifest.name)
  try removeAll(path)
}

extension StateArray.ElementType {
  /// How it lies in a safetensors file, which has no name for the paper's formats.
  var tensorType: TensorType {
    switch self {
    case .fp32: .f32
    case .bf16: .bf16
    case .float169, .float610: .u16
    }
  }
}
