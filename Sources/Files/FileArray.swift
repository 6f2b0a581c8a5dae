import Errors
import Foundation

/// Numbers in a file, seen as memory: the system keeps in memory what is in use, so an array may be larger than memory.
package final class FileArray<Element: BitwiseCopyable>: RandomAccessCollection, MutableCollection, @unchecked Sendable {
  // Safe to share: a mapping for reading never changes; one for writing is used by one thread.
  private let elements: UnsafeMutableBufferPointer<Element>
  private let length: Int

  /// Maps a file that exists, for reading.
  package convenience init(_ path: String) throws {
    let descriptor = open(path, O_RDONLY)
    guard descriptor >= 0 else { throw DalleError.file(path, "cannot be opened") }
    defer { close(descriptor) }
    let size = Int(lseek(descriptor, 0, SEEK_END))
    guard size % MemoryLayout<Element>.stride == 0 else {
      throw DalleError(
        .data,
        "\(path): has \(size) bytes, which is no multiple of \(MemoryLayout<Element>.stride); it is damaged: remove its folder and make it again"
      )
    }
    try self.init(descriptor, path, count: size / MemoryLayout<Element>.stride, PROT_READ)
  }

  /// Makes an array of zeros in a file of its own in `folder`, which goes away with the array.
  package convenience init(scratchIn folder: String, count: Int) throws {
    let path = "\(folder)/scratch-\(UUID().uuidString)"
    let descriptor = open(path, O_RDWR | O_CREAT | O_EXCL, 0o600)
    guard descriptor >= 0 else { throw DalleError.file(path, "cannot be created") }
    defer { close(descriptor) }
    unlink(path)
    // Takes the room on the disk now: writing into a mapping of a full disk ends in a signal, not in an error.
    let code = posix_fallocate(descriptor, 0, off_t(Swift.max(1, count * MemoryLayout<Element>.stride)))
    guard code == 0 else { throw DalleError.file(path, "cannot be written", code: code) }
    try self.init(descriptor, path, count: count, PROT_READ | PROT_WRITE)
  }

  private init(_ descriptor: Int32, _ path: String, count: Int, _ protection: Int32) throws {
    length = Swift.max(1, count * MemoryLayout<Element>.stride)
    if count == 0 {
      elements = UnsafeMutableBufferPointer(start: nil, count: 0)
      return
    }
    let address = mmap(nil, length, protection, MAP_SHARED, descriptor, 0)
    guard let address, address != MAP_FAILED else { throw DalleError.file(path, "cannot be mapped") }
    elements = UnsafeMutableBufferPointer(start: address.bindMemory(to: Element.self, capacity: count), count: count)
  }

  deinit {
    if let address = elements.baseAddress { munmap(address, length) }
  }

  package var startIndex: Int { 0 }
  package var endIndex: Int { elements.count }

  package subscript(index: Int) -> Element {
    get { elements[index] }
    set { elements[index] = newValue }
  }

  /// Sorts in place.
  package func sort(by goesBefore: (Element, Element) -> Bool) {
    var elements = elements
    elements.sort(by: goesBefore)
  }
}
