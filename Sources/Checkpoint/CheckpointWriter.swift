import Foundation
import Layers
import Memory
import Parallel
import Safetensors

/// The files of one checkpoint.
enum CheckpointFile {
  static let model = "model.safetensors"
  static let average = "ema.safetensors"
  static let optimizer = "optimizer.safetensors"
  static let state = "state.json"

  /// Which arrays lie in which file: the weights, the averages, and the rest with its name before the parameter's.
  static func contents(_ parameters: SharedParameters) -> [(file: String, arrays: [(state: String?, prefix: String)])] {
    let rest = parameters.stateNames.filter { $0 != StateNames.average }.map { (state: Optional($0), prefix: "\($0)/") }
    return [(model, [(nil, "")]), (average, [(StateNames.average, "")]), (optimizer, rest)]
  }
}

/// Names of the arrays that training keeps beside the weights.
public enum StateNames {
  public static let firstMoment = "first_moment"
  public static let secondMoment = "second_moment"
  public static let average = "average"
}

/// Writes a checkpoint into a temporary folder and gives it its name when it is complete.
///
/// Order: arrays, state, manifest, each forced to disk; then one rename. A kill at any moment leaves either no folder of
/// that name or a complete one; what is left of a temporary folder is removed at the next start.
struct CheckpointWriter {
  let folder: String
  let step: Int

  static func name(_ step: Int) -> String {
    let digits = String(step)
    return "step-" + String(repeating: "0", count: max(0, 8 - digits.count)) + digits
  }

  static let partialPrefix = ".partial-"

  var temporary: String { folder + "/" + Self.partialPrefix + Self.name(step) }
  var final: String { folder + "/" + Self.name(step) }

  /// Writes the arrays; afterwards the parameters may change.
  func writeArrays(_ parameters: SharedParameters) throws {
    try makeFolder(temporary)
    for (file, arrays) in CheckpointFile.contents(parameters) {
      var tensors: [(name: String, shape: [Int])] = []
      for (_, prefix) in arrays {
        tensors += parameters.table.parameters.map { (prefix + $0.name, $0.shape) }
      }
      let writer = try SafetensorsWriter(temporary + "/" + file, tensors: tensors, metadata: ["step": "\(step)"])
      for (state, _) in arrays {
        for parameter in parameters.table.parameters {
          let values = parameters.values(state, parameter.block)[parameter]
          try writer.write(UnsafeBufferPointer(start: values.base, count: values.count))
        }
      }
      try writer.finish()
    }
  }

  /// Writes state and manifest, and makes the checkpoint visible.
  func complete(state: Data) throws {
    try write(state, to: temporary + "/" + CheckpointFile.state)
    let files = [CheckpointFile.model, CheckpointFile.average, CheckpointFile.optimizer, CheckpointFile.state]
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    try write(encoder.encode(Manifest(files, in: temporary)), to: temporary + "/" + Manifest.name)
    try synchronize(temporary)
    if FileManager.default.fileExists(atPath: final) { try removeCheckpoint(final) }
    guard rename(temporary, final) == 0 else { throw failure(final, "cannot be put in place") }
    try synchronize(folder)
  }

  /// Removes what a failed write left.
  func discard() { try? FileManager.default.removeItem(atPath: temporary) }
}

/// Removes a checkpoint, its manifest first: from then on it counts as none.
func removeCheckpoint(_ path: String) throws {
  unlink(path + "/" + Manifest.name)
  try FileManager.default.removeItem(atPath: path)
}

func failure(_ path: String, _ what: String) -> CheckpointError {
  CheckpointError("\(path): \(what): \(String(cString: strerror(errno)))")
}

func makeFolder(_ path: String) throws {
  do {
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  } catch {
    throw CheckpointError("\(path): the folder cannot be made: \(error.localizedDescription)")
  }
}

private func write(_ data: Data, to path: String) throws {
  let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
  guard descriptor >= 0 else { throw failure(path, "cannot be created") }
  defer { close(descriptor) }
  let count = data.withUnsafeBytes { Foundation.write(descriptor, $0.baseAddress, $0.count) }
  guard count == data.count else { throw failure(path, "cannot be written") }
  guard fsync(descriptor) == 0 else { throw failure(path, "cannot be forced to disk") }
}

/// Forces a folder's entries to disk.
private func synchronize(_ folder: String) throws {
  let descriptor = open(folder, O_RDONLY)
  guard descriptor >= 0 else { throw failure(folder, "cannot be opened") }
  defer { close(descriptor) }
  guard fsync(descriptor) == 0 else { throw failure(folder, "cannot be forced to disk") }
}
