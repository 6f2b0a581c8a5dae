import CImages
import Errors
import Files
import Foundation

/// Why an image cannot be decoded. Who reads many images skips this one and counts the reason.
package struct UndecodableImage: Error, Equatable {
  package enum Reason: Equatable, Sendable {
    /// It has more pixels than the limit.
    case tooLarge
    case unreadable
  }

  package let reason: Reason
  /// What the file is, and what to do: "is a BMP file, which is not read; convert it to PNG".
  package let detail: String

  /// The same for the user.
  ///
  /// - Parameter name: of the image: a path, an archive and its member.
  package func named(_ name: String) -> DalleError { DalleError(.data, "\(name): \(detail)") }
}

/// libvips is started once in a process, by the first use.
enum Vips {
  private static let started: Void = {
    precondition(images_start() == 0, "libvips does not start: \(String(cString: images_error()))")
  }()

  static func start() { _ = started }

  /// What libvips reports of the last failure on this thread.
  static var report: String { String(cString: images_error()) }

  /// Encoding an image or rendering text failed, which nothing but the machine can cause.
  static func failure(_ what: String) -> DalleError {
    DalleError(.unavailable, "libvips cannot \(what) (\(report)); free memory, and check the installation with `vips --version`")
  }
}

extension Image {
  /// Pixels that an image file may have: a small file can claim a size that fills all memory.
  package static let pixelLimit = 100_000_000

  /// Decodes an image of any format that libvips reads safely: orientation and color profile applied, transparency on
  /// white, 16 bits cut to 8, the first frame of several. A file that is cut off is refused, unless it is a JPEG that lacks nothing
  /// but its end marker.
  ///
  /// - Parameter leastSide: a JPEG may come reduced by 2, 4 or 8, which saves most of the decoding, as long as its shorter
  ///   side keeps this many pixels. By default it comes whole.
  package init(contentsOf path: String, leastSide: Int? = nil) throws {
    do {
      try self.init(data: readFile(path), leastSide: leastSide)
    } catch let problem as UndecodableImage { throw problem.named(path) }
  }

  /// The same for a file's bytes.
  package init(data: Data, pixelLimit: Int = pixelLimit, leastSide: Int? = nil) throws(UndecodableImage) {
    do {
      try self.init(complete: data, pixelLimit: pixelLimit, leastSide: leastSide)
    } catch {
      guard error.reason == .unreadable, let whole = Self.withEndMarker(data) else { throw error }
      try self.init(complete: whole, pixelLimit: pixelLimit, leastSide: leastSide)
    }
  }

  /// A JPEG file with the end marker that it lacks; nil for any other file, and one that lacks more.
  private static func withEndMarker(_ file: Data) -> Data? {
    let whole = file + [0xFF, 0xD9]
    return whole.withUnsafeBytes { images_is_whole_jpeg($0.baseAddress, $0.count) == 1 } ? whole : nil
  }

  private init(complete data: Data, pixelLimit: Int, leastSide: Int?) throws(UndecodableImage) {
    Vips.start()
    let decoded = data.withUnsafeBytes { file -> Result<Image, UndecodableImage> in
      var decoder: OpaquePointer?
      var size = images_size()
      func unreadable() -> Result<Image, UndecodableImage> {
        .failure(UndecodableImage(reason: .unreadable, detail: FileFormat(data).problem))
      }
      switch images_open(file.baseAddress, file.count, Int64(pixelLimit), Int32(leastSide ?? 0), &decoder, &size) {
      case 0: break
      case Int32(IMAGES_TOO_LARGE):
        return .failure(
          UndecodableImage(
            reason: .tooLarge,
            detail: "has \(size.width) x \(size.height) pixels, more than the limit of \(pixelLimit); reduce it, or remove it"))
      case Int32(IMAGES_OTHER_RANGE):
        return .failure(UndecodableImage(reason: .unreadable, detail: FileFormat(data).rangeProblem))
      default: return unreadable()
      }
      let count = Int(size.width) * Int(size.height) * 3
      var isRead = false
      let pixels = [UInt8](unsafeUninitializedCapacity: count) { pixels, filled in
        isRead = images_read(decoder, pixels.baseAddress) == 0
        filled = isRead ? count : 0
      }
      if !isRead { return unreadable() }
      var image = Image(width: Int(size.width), height: Int(size.height), pixels: pixels)
      image.origin = Origin(
        width: Int(size.full_width), height: Int(size.full_height), reduction: Int(size.reduction))
      return .success(image)
    }
    self = try decoded.get()
  }

  /// The image as a PNG file.
  package func png() throws -> Data {
    try file("PNG") { images_png(pixels, Int32(width), Int32(height), &$0, &$1) }
  }

  /// The image as a JPEG file, quality from 1 to 100.
  package func jpeg(quality: Int) throws -> Data {
    try file("JPEG") { images_jpeg(pixels, Int32(width), Int32(height), Int32(quality), &$0, &$1) }
  }

  private func file(_ format: String, _ compress: (inout UnsafeMutablePointer<UInt8>?, inout Int) -> Int32) throws -> Data {
    Vips.start()
    var bytes: UnsafeMutablePointer<UInt8>?
    var size = 0
    guard compress(&bytes, &size) == 0 else { throw Vips.failure("encode \(width) x \(height) pixels as \(format)") }
    defer { images_free(bytes) }
    return Data(bytes: bytes!, count: size)
  }

  /// Writes a PNG file, whole or not at all.
  package func write(to path: String) throws { try replaceFile(path, with: png()) }
}
