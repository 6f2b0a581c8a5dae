import Errors
import Files
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
      var tensors: [(name: String, shape: [Int], type: TensorType)] = []
      for (_, prefix) in arrays {
        tensors += parameters.table.parameters.map { (prefix + $0.name, $0.shape, .f32) }
      }
      let writer = try SafetensorsWriter(temporary + "/" + file, tensors: tensors, metadata: ["step": "\(step)"])
      for (state, _) in arrays {
        for parameter in parameters.table.parameters {
          let values = parameters.values(state, parameter.block)[parameter]
          try writer.write(UnsafeBufferPointer<Float>(start: values.base, count: values.count))
        }
      }
      try writer.finish()
    }
  }

  /// Writes state and manifest, and makes the checkpoint visible.
  func complete(state: Data) throws {
    try replaceFile(temporary + "/" + CheckpointFile.state, with: state)
    let files = [CheckpointFile.model, CheckpointFile.average, CheckpointFile.optimizer, CheckpointFile.state]
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    try replaceFile(temporary + "/" + Manifest.name, with: encoder.encode(Manifest(files, in: temporary)))
    if FileManager.default.fileExists(atPath: final) { try removeCheckpoint(final) }
    guard rename(temporary, final) == 0 else { throw DalleError.file(final, "cannot be written") }
    try synchronizeFolder(folder)
  }

  /// Removes what a failed write left.
  func discard() { try? FileManager.default.removeItem(atPath: temporary) }
}

/// Removes a checkpoint, its manifest first: from then on it counts as none.
func removeCheckpoint(_ path: String) throws {
  unlink(path + "/" + Manifest.name)
  try FileManager.default.removeItem(atPath: path)
}
