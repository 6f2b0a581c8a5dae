import Files
import Layers
import MPI
import Memory
import Optimization
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

/// The way of nodes' own arrays to the coordinator, which writes all files: piece by piece, through the first rank of each node.
struct NodeSetTransfer {
  let parameters: NodeParameterStore
  private var across: Communicator { parameters.grid.across }

  /// Bytes of a message at most.
  private static let pieceBytes = 1 << 21

  init(_ parameters: NodeParameterStore) { self.parameters = parameters }

  /// Sends this node's own arrays, in the order in which `receive` writes them.
  func send() throws {
    let arrays = CheckpointFile.contents(parameters).first { $0.set == NodeSet.name(across.rank) }!.arrays
    for (array, _) in arrays {
      for parameter in parameters.table.parameters {
        let bytes = bytes(of: array, parameter)
        for first in stride(from: 0, to: bytes.count, by: Self.pieceBytes) {
          try across.send(UnsafeRawBufferPointer(rebasing: bytes[first..<min(first + Self.pieceBytes, bytes.count)]), to: 0)
          parameters.clock.tick()
        }
      }
    }
  }

  /// Writes the own arrays of all other nodes, and returns the names of their files.
  func receive(_ writer: CheckpointWriter) throws -> [String] {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.pieceBytes, alignment: 64)
    defer { buffer.deallocate() }
    return try (1..<across.size).flatMap { node in
      let (set, arrays) = CheckpointFile.contents(parameters, node: node).first { $0.set == NodeSet.name(node) }!
      let tensors = try writer.tensors(set, arrays, parameters.table)
      for (array, _) in arrays {
        for parameter in parameters.table.parameters {
          let byteCount = parameter.count * (array?.elementType.size ?? 4)
          for first in stride(from: 0, to: byteCount, by: Self.pieceBytes) {
            let piece = UnsafeMutableRawBufferPointer(rebasing: buffer[..<min(Self.pieceBytes, byteCount - first)])
            try across.receive(into: piece, from: node)
            parameters.clock.tick()
            switch array?.elementType {
            case .bf16?: try tensors.write(UnsafeBufferPointer(piece.bindMemory(to: BFloat16.self)))
            case .float169?, .float610?: try tensors.write(UnsafeBufferPointer(piece.bindMemory(to: UInt16.self)))
            case .fp32?, nil:
              let values = UnsafeBufferPointer(piece.bindMemory(to: Float.self))
              if array == nil { try writer.checkFinite(values, parameter) }
              try tensors.write(values)
            }
          }
        }
      }
      try tensors.finish()
      return tensors.files
    }
  }

  private func bytes(of array: StateArray?, _ parameter: Parameter) -> UnsafeRawBufferPointer {
    let range = parameter.offset..<parameter.offset + parameter.count
    if let array, array.elementType != .fp32 {
      let values = parameters.halfValues(array, of: parameter.block)[range]
      return UnsafeRawBufferPointer(UnsafeBufferPointer(start: values.base, count: values.count))
    }
    let values = parameters.fp32Values(array, of: parameter.block)[range]
    return UnsafeRawBufferPointer(UnsafeBufferPointer(start: values.base, count: values.count))
  }
}
