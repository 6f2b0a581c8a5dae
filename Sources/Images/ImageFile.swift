import CImages
import Files
import Foundation

/// A picture that cannot be decoded, or text that cannot be drawn: which, and libvips' reason.
public struct ImageError: Error, CustomStringConvertible, Equatable {
  public let name: String
  public let reason: String
  /// It has more pixels than the limit.
  public var isTooLarge = false
  public var description: String { "\(name): \(reason)" }
}

/// libvips is started once in a process, by the first use.
enum Vips {
  private static let started: Void = {
    precondition(images_start() == 0, "libvips does not start: \(String(cString: images_error()))")
  }()

  static func start() { _ = started }
  static func error(_ name: String) -> ImageError { ImageError(name: name, reason: String(cString: images_error())) }
}

extension Image {
  /// Pixels that a picture file may have: a small file can claim a size that fills all memory.
  public static let pixelLimit = 100_000_000

  /// Decodes a picture of any format that libvips reads safely: orientation and colour profile applied, transparency on
  /// white, 16 bits cut to 8, the first frame of several. A file that is cut off is refused.
  ///
  /// - Parameter leastSide: a JPEG may come reduced by 2, 4 or 8, which saves most of the decoding, as long as its shorter
  ///   side keeps this many pixels. By default it comes whole.
  public init(contentsOf path: String, leastSide: Int? = nil) throws {
    try self.init(data: readFile(path), name: path, leastSide: leastSide)
  }

  /// The same for a file's bytes; `name` stands for it in errors.
  public init(data: Data, name: String, pixelLimit: Int = pixelLimit, leastSide: Int? = nil) throws {
    Vips.start()
    guard !data.isEmpty else { throw ImageError(name: name, reason: "the file is empty") }
    let (width, height, pixels) = try data.withUnsafeBytes { file in
      var picture: OpaquePointer?
      var (width, height): (Int32, Int32) = (0, 0)
      let code = images_open(file.baseAddress, file.count, Int64(pixelLimit), Int32(leastSide ?? 0), &picture, &width, &height)
      guard code == 0 else {
        throw ImageError(name: name, reason: String(cString: images_error()), isTooLarge: code == IMAGES_TOO_LARGE)
      }
      let count = Int(width) * Int(height) * 3
      let pixels = try [UInt8](unsafeUninitializedCapacity: count) { pixels, filled in
        guard images_read(picture, pixels.baseAddress) == 0 else { throw Vips.error(name) }
        filled = count
      }
      return (Int(width), Int(height), pixels)
    }
    self.init(width: width, height: height, pixels: pixels)
  }

  /// The picture as a PNG file.
  public func png() throws -> Data {
    try file("PNG") { images_png(pixels, Int32(width), Int32(height), &$0, &$1) }
  }

  /// The picture as a JPEG file, quality from 1 to 100.
  public func jpeg(quality: Int) throws -> Data {
    try file("JPEG") { images_jpeg(pixels, Int32(width), Int32(height), Int32(quality), &$0, &$1) }
  }

  private func file(_ format: String, _ compress: (inout UnsafeMutablePointer<UInt8>?, inout Int) -> Int32) throws -> Data {
    Vips.start()
    var bytes: UnsafeMutablePointer<UInt8>?
    var size = 0
    guard compress(&bytes, &size) == 0 else { throw Vips.error(format) }
    defer { images_free(bytes) }
    return Data(bytes: bytes!, count: size)
  }

  /// Writes a PNG file, whole or not at all.
  public func write(to path: String) throws { try replaceFile(path, with: png()) }
}
