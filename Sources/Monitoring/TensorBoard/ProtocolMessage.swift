/// A message in the wire format of Protocol Buffers (protobuf.dev/programming-guides/encoding): fields follow each other in the order in
/// which they are appended, each behind its number and type.
struct ProtocolMessage {
  private enum WireType: UInt64 {
    case varint = 0
    case fixed64 = 1
    case bytes = 2
    case fixed32 = 5
  }

  private(set) var bytes: [UInt8] = []

  mutating func append(_ field: UInt64, _ value: Int) {
    key(field, .varint)
    varint(UInt64(bitPattern: Int64(value)))
  }

  mutating func append(_ field: UInt64, _ value: Double) {
    key(field, .fixed64)
    bytes += littleEndian(value.bitPattern)
  }

  mutating func append(_ field: UInt64, _ value: Float) {
    key(field, .fixed32)
    bytes += littleEndian(value.bitPattern)
  }

  mutating func append(_ field: UInt64, _ value: [UInt8]) {
    key(field, .bytes)
    varint(UInt64(value.count))
    bytes += value
  }

  mutating func append(_ field: UInt64, _ value: String) { append(field, Array(value.utf8)) }

  /// Repeated numbers, packed.
  mutating func append(_ field: UInt64, _ values: [Double]) { append(field, values.flatMap { littleEndian($0.bitPattern) }) }

  mutating func append(_ field: UInt64, _ build: (inout ProtocolMessage) throws -> Void) rethrows {
    var message = ProtocolMessage()
    try build(&message)
    append(field, message.bytes)
  }

  private mutating func key(_ field: UInt64, _ type: WireType) { varint(field << 3 | type.rawValue) }

  private mutating func varint(_ value: UInt64) {
    var rest = value
    while rest >= 128 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 128)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }
}

func littleEndian(_ value: some FixedWidthInteger) -> [UInt8] { withUnsafeBytes(of: value.littleEndian) { Array($0) } }
