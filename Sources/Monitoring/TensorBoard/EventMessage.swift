/// What TensorBoard shows under a tag.
enum BoardValue: Sendable {
  case scalar(Double)
  /// A PNG file.
  case image(path: String)
  /// How often each of several cases occurred.
  case histogram(counts: [Int])
  /// Markdown.
  case text(String)
}

/// Messages of TensorBoard's event files (event.proto, summary.proto, tensor.proto), each as a record that can be appended to a file.
/// Numbers in here are fields of these messages.
enum EventMessage {
  /// The first record of a file.
  static func version(time: Double) -> [UInt8] { record(time: time, step: 0) { $0.append(3, "brain.Event:2") } }

  /// Makes TensorBoard forget what earlier files of the folder have for `step` and later ones.
  static func start(time: Double, step: Int) -> [UInt8] {
    record(time: time, step: step) { $0.append(7) { $0.append(1, 1) } }  // SessionLog.START
  }

  /// - Throws: `DalleError` where an image cannot be read.
  static func summary(time: Double, step: Int, _ values: [(tag: String, value: BoardValue)]) throws -> [UInt8] {
    try record(time: time, step: step) {
      try $0.append(5) { summary in
        for (tag, value) in values {
          try summary.append(1) {
            $0.append(1, tag)
            try append(value, to: &$0)
          }
        }
      }
    }
  }

  private static func record(
    time: Double, step: Int, _ build: (inout ProtocolMessage) throws -> Void
  ) rethrows -> [UInt8] {
    var event = ProtocolMessage()
    event.append(1, time)
    event.append(2, step)
    try build(&event)
    return framed(event.bytes)
  }

  /// The bytes as a TFRecord: length, its checksum, data, their checksum.
  static func framed(_ data: [UInt8]) -> [UInt8] {
    let length = littleEndian(UInt64(data.count))
    return length + littleEndian(CRC32C.masked(length)) + data + littleEndian(CRC32C.masked(data))
  }

  private static func append(_ value: BoardValue, to message: inout ProtocolMessage) throws {
    switch value {
    case .scalar(let number): message.append(2, Float(number))
    case .image(let path):
      let image = try PNGFile(path)
      message.append(4) {
        $0.append(1, image.height)
        $0.append(2, image.width)
        $0.append(4, image.bytes)
      }
    case .histogram(let counts): message.append(5) { append(Buckets(counts), to: &$0) }
    case .text(let markdown):
      message.append(9) { $0.append(1) { $0.append(1, "text") } }
      message.append(8) {
        $0.append(1, 7)  // DT_STRING; a tensor without shape is a scalar
        $0.append(8, markdown)
      }
    }
  }

  private static func append(_ buckets: Buckets, to message: inout ProtocolMessage) {
    message.append(1, 0.0)
    message.append(2, buckets.limits.last ?? 0)
    message.append(3, buckets.total)
    message.append(4, buckets.sum)
    message.append(5, buckets.sumOfSquares)
    message.append(6, buckets.limits)
    message.append(7, buckets.counts)
  }
}
