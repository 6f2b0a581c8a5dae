import Files
import Foundation

/// What a stage made and from what, `products/STAGE.json`.
package struct ProductRecord: Decodable, Sendable {
  package var stage: String
  /// SHA-256 or identity of each input, by name.
  package var inputs: [String: String]
  /// Training steps in the product.
  package var work: Int
  /// SHA-256; nil while the stage is not finished.
  package var product: String?
  /// It was copied into the run from elsewhere.
  package var isGiven: Bool

  /// All of a run, each after those that it was made from.
  ///
  /// - Parameter problem: called for one that cannot be read.
  static func all(in folder: String, problem: (String) -> Void) -> [ProductRecord] {
    let names = ((try? namesInFolder(folder)) ?? []).filter { $0.hasSuffix(".json") }.sorted()
    let products: [ProductRecord] = names.compactMap { name in
      do {
        return try JSONDecoder().decode(Self.self, from: readFile("\(folder)/\(name)"))
      } catch let error as DecodingError {
        problem("\(folder)/\(name): cannot be parsed (\(error.reason)); what it records is not shown")
      } catch { problem("\(error)") }
      return nil
    }
    return products.sorted { ($0.depth(in: products), $0.stage) < ($1.depth(in: products), $1.stage) }
  }

  /// How many products follow from each other up to this one.
  ///
  /// - Parameter limit: of damaged files that name each other.
  private func depth(in products: [ProductRecord], limit: Int = 6) -> Int {
    let makers = products.filter { maker in maker.product.map { inputs.values.contains($0) } ?? false }
    return limit == 0 ? 0 : makers.map { 1 + $0.depth(in: products, limit: limit - 1) }.max() ?? 0
  }
}

extension DecodingError {
  fileprivate var reason: String {
    switch self {
    case .keyNotFound(let key, _): "`\(key.stringValue)` is missing"
    case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context): context.debugDescription
    @unknown default: "\(self)"
    }
  }
}
