import Files
import Foundation

/// The members of a tar archive, read from header to header; what the members hold is read only when asked for.
/// Knows ustar, GNU's long names and sizes, and pax records of path and size.
public final class TarReader {
  public struct Member: Equatable {
    public let name: String
    /// Where the bytes lie in the archive.
    public let offset: Int
    public let size: Int
  }

  /// An archive that cannot be read on: which, where, and why.
  public struct Damage: Error, CustomStringConvertible, Equatable {
    public let description: String
  }

  /// Bytes that a long name or a pax record may have.
  private static let recordLimit = 1 << 20

  private let file: RandomAccessFile
  private var next = 0
  private var hasEnded = false

  public init(_ path: String) throws {
    file = try RandomAccessFile(path)
    if file.size >= 2, try file.read(0..<2) == [0x1F, 0x8B] {
      throw Damage(description: "\(path): is compressed with gzip; members of it cannot be read one by one: decompress it first")
    }
  }

  /// The bytes of a member.
  public func bytes(of member: Member) throws -> Data { Data(try file.read(member.offset..<member.offset + member.size)) }

  /// The next member that is a plain file, or nil at the end. After an error there is nothing more.
  public func nextMember() throws -> Member? {
    if hasEnded { return nil }
    do {
      let member = try readMember()
      hasEnded = member == nil
      return member
    } catch {
      hasEnded = true
      throw error
    }
  }

  private func readMember() throws -> Member? {
    var longName: String?
    var longSize: Int?
    while true {
      guard next + 512 <= file.size else {
        throw damage("ends at byte \(file.size) without the zeros that end an archive; it is cut off")
      }
      let header = try file.read(next..<next + 512)
      if header.allSatisfy({ $0 == 0 }) { return nil }
      guard Self.checksumIsRight(header) else {
        throw damage("has no valid header at byte \(next); it is damaged or not a tar file")
      }
      guard let size = longSize ?? Self.number(header[124..<136]) else { throw damage("claims an impossible size at byte \(next)") }
      let start = next + 512
      guard size <= file.size - start else {
        throw damage("ends in the middle of a member of \(size) bytes at byte \(start); it is cut off")
      }
      next = min(file.size, start + (size + 511) / 512 * 512)
      switch header[156] {
      case UInt8(ascii: "0"), 0:
        return Member(name: longName ?? Self.name(header), offset: start, size: size)
      case UInt8(ascii: "L"):
        longName = Self.text(try record(start, size)[...])
      case UInt8(ascii: "x"):
        for (key, value) in Self.paxRecords(try record(start, size)) {
          if key == "path" { longName = value }
          if key == "size" {
            guard let size = Int(value), size >= 0 else { throw damage("claims an impossible size at byte \(start)") }
            longSize = size
          }
        }
      default:  // folders, links, global pax records: of no use here
        (longName, longSize) = (nil, nil)
      }
    }
  }

  private func damage(_ problem: String) -> Damage { Damage(description: "\(file.path): \(problem)") }

  private func record(_ start: Int, _ size: Int) throws -> [UInt8] {
    guard size <= Self.recordLimit else {
      throw damage("has a record of \(size) bytes at byte \(start); at most \(Self.recordLimit)")
    }
    return try file.read(start..<start + size)
  }

  /// The sum of the header's bytes with its own eight counted as spaces.
  private static func checksumIsRight(_ header: [UInt8]) -> Bool {
    let sum = header.enumerated().reduce(0) { $0 + ((148..<156).contains($1.offset) ? 32 : Int($1.element)) }
    return number(header[148..<156]) == sum
  }

  /// Octal digits, or big-endian binary if the first bit is set (GNU).
  private static func number(_ field: ArraySlice<UInt8>) -> Int? {
    if let first = field.first, first & 0x80 != 0 {
      guard first == 0x80, field.dropFirst().dropLast(7).allSatisfy({ $0 == 0 }) else { return nil }
      return field.suffix(7).reduce(0) { $0 << 8 | Int($1) }
    }
    let digits = field.drop { $0 == 32 }.prefix { $0 != 0 && $0 != 32 }
    guard digits.allSatisfy({ (48...55).contains($0) }) else { return nil }
    return digits.reduce(0) { $0 << 3 | Int($1 - 48) }
  }

  private static func text(_ field: ArraySlice<UInt8>) -> String { String(decoding: field.prefix { $0 != 0 }, as: UTF8.self) }

  private static func name(_ header: [UInt8]) -> String {
    let isUstar = header[257..<262].elementsEqual("ustar".utf8)
    let prefix = isUstar && header[262] == 0 ? text(header[345..<500]) : ""
    return prefix.isEmpty ? text(header[..<100]) : prefix + "/" + text(header[..<100])
  }

  /// Records of the form `LENGTH KEY=VALUE\n`.
  private static func paxRecords(_ bytes: [UInt8]) -> [(String, String)] {
    var records: [(String, String)] = []
    var rest = bytes[...]
    while let space = rest.firstIndex(of: 32), let length = Int(String(decoding: rest[..<space], as: UTF8.self)),
      length > space - rest.startIndex + 1, length <= rest.count
    {
      let record = rest[(space + 1)..<(rest.startIndex + length - 1)]
      if let equals = record.firstIndex(of: UInt8(ascii: "=")) {
        records.append(
          (
            String(decoding: record[..<equals], as: UTF8.self), String(decoding: record[(equals + 1)...], as: UTF8.self)
          ))
      }
      rest = rest[(rest.startIndex + length)...]
    }
    return records
  }
}
