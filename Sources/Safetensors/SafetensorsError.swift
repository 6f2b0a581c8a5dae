/// A tensor file that cannot be read or written: names the file, and the tensor where there is one.
public struct SafetensorsError: Error, CustomStringConvertible, Equatable {
  public let description: String
  init(_ path: String, _ problem: String) { description = "\(path): \(problem)" }
}
