/// A checkpoint that cannot be written or read; names the file.
public struct CheckpointError: Error, CustomStringConvertible, Equatable {
  public let description: String
  init(_ description: String) { self.description = description }
}
