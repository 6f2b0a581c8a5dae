import Files
import Layers
import Memory
import Parallel
import Safetensors

/// What a node has of its own where nodes train apart from each other (`LocalUpdates`): its weights and its optimizer's state. The set
/// `node-00003` of a checkpoint has those of node 3.
enum NodeSet {
  static let weights = "weights"
  private static let prefix = "node-"

  static func name(_ node: Int) -> String { prefix + zeroPadded(node, digits: 5) }

  /// How many nodes have their own arrays among the files of a checkpoint.
  static func count(in files: some Sequence<String>) -> Int {
    Set(files.filter { $0.hasPrefix(prefix) }.map { $0.dropFirst(prefix.count).prefix { $0.isNumber } }).count
  }

  /// Replaces the weights by the mean of those that `nodes` nodes have saved, on this rank's node.
  static func readMeanWeights(of nodes: Int, in folder: String, into parameters: NodeParameterStore) throws {
    let readers = try (0..<nodes).map { try ShardedSafetensorsReader(folder: folder, name: name($0)) }
    let buffer = Buffer<Float>(count: 1 << 19)
    for parameter in parameters.table.parameters {
      let values = parameters.fp32Values(nil, of: parameter.block)[parameter.offset..<parameter.offset + parameter.count]
      for first in stride(from: 0, to: values.count, by: buffer.count) {
        let part = values[first..<min(first + buffer.count, values.count)]
        part.fill(0)
        for reader in readers {
          try reader.read(
            "\(weights)/\(parameter.name)", shape: parameter.shape, from: first,
            into: UnsafeMutableBufferPointer(start: buffer.base, count: part.count))
          for i in 0..<part.count { part[i] += buffer.base[i] }
        }
        for i in 0..<part.count { part[i] /= Float(nodes) }
      }
    }
  }
}
