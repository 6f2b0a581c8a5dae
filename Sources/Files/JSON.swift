import Foundation

/// Values as JSON, keys sorted, so that equal values give equal bytes.
package enum JSON {
  /// Indented, for people, with a line break at the end.
  package static func pretty(_ value: some Encodable) throws -> Data { try prettyEncoder.encode(value) + Data("\n".utf8) }

  /// On one line, without a line break.
  package static func line(_ value: some Encodable) throws -> Data { try lineEncoder.encode(value) }

  private static let prettyEncoder = encoder([.prettyPrinted, .sortedKeys, .withoutEscapingSlashes])
  private static let lineEncoder = encoder([.sortedKeys, .withoutEscapingSlashes])

  private static func encoder(_ formatting: JSONEncoder.OutputFormatting) -> JSONEncoder {
    let encoder = JSONEncoder()
    encoder.outputFormatting = formatting
    return encoder
  }
}
