/// A model that cannot be built: which value, and its limit.
public struct ModelError: Error, CustomStringConvertible, Equatable {
  public let description: String
  init(_ description: String) { self.description = description }
}
