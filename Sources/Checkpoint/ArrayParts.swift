import Kernels
import Layers
import MPI
import Memory
import Optimization
import Parallel
import Safetensors

/// The values of training arrays in the order of a checkpoint's files, whichever nodes keep them, in bounded memory.
///
/// Where nodes keep different rows or values, the first rank of every node that has some goes over the same arrays at the same time: the
/// others' send theirs to the coordinator, which alone is handed parts. Where each node keeps all, the coordinator works alone.
struct ArrayParts {
  let parameters: NodeParameterStore
  /// The first ranks of all nodes.
  let nodes: Communicator

  /// Some values of a parameter in an array (nil: the weights), in fp32 or as they are kept.
  struct Part {
    let array: StateArray?
    let parameter: Parameter
    let bytes: UnsafeRawBufferPointer

    /// True for the paper's formats, which have no other numbers.
    var isFinite: Bool {
      guard let base = bytes.baseAddress else { return true }
      switch array?.elementType ?? .fp32 {
      case .fp32:
        let values = UnsafeMutablePointer(mutating: base.assumingMemoryBound(to: Float.self))
        return Vector(values, count: bytes.count / MemoryLayout<Float>.stride).isFinite
      case .bf16: return bytes.assumingMemoryBound(to: BFloat16.self).allSatisfy { $0.bits & 0x7F80 != 0x7F80 }
      case .float169, .float610: return true
      }
    }

    func write(to writer: ShardedSafetensorsWriter) throws {
      switch array?.elementType ?? .fp32 {
      case .fp32: try writer.write(bytes.assumingMemoryBound(to: Float.self))
      case .bf16: try writer.write(bytes.assumingMemoryBound(to: BFloat16.self))
      case .float169, .float610: try writer.write(bytes.assumingMemoryBound(to: UInt16.self))
      }
    }
  }

  /// Bytes of a message at most.
  private static let messageLimit = 4 << 20

  /// Calls `body` for the parts of arrays, one parameter after the other.
  ///
  /// - Parameter owner: the node whose values of all rows are taken; nil for those that keep the rows.
  func forEach(of arrays: [CheckpointFile.NamedArray], keptBy owner: Int? = nil, _ body: (Part) throws -> Void) throws {
    // Made when it is needed: mostly the coordinator works alone.
    var received: Buffer<UInt8>?
    for (array, _) in arrays {
      for parameter in parameters.table.parameters {
        parameters.clock.tick()
        let whole = parameter.offset..<parameter.offset + parameter.count
        for (node, range) in owner.map({ [($0, whole)] }) ?? parameters.holders(array, of: parameter) {
          let bytes = parameters.bytes(array, of: parameter.block, range)
          if node == 0 {
            if nodes.rank == 0 { try body(Part(array: array, parameter: parameter, bytes: bytes)) }
            continue
          }
          guard nodes.rank == 0 || nodes.rank == node else { continue }
          for first in stride(from: 0, to: bytes.count, by: Self.messageLimit) {
            let count = min(Self.messageLimit, bytes.count - first)
            if nodes.rank == node {
              try nodes.send(UnsafeRawBufferPointer(rebasing: bytes[first..<first + count]), to: 0)
            } else {
              let buffer = received ?? Buffer(count: Self.messageLimit)
              received = buffer
              let message = UnsafeMutableRawBufferPointer(start: buffer.base, count: count)
              try nodes.receive(into: message, from: node)
              try body(Part(array: array, parameter: parameter, bytes: UnsafeRawBufferPointer(message)))
            }
          }
        }
      }
    }
  }
}
