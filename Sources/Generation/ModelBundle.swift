import Files
import Foundation
import Layers
import Models
import Safetensors
import Tokenizer

/// A folder with everything that drawing needs: tokenizer, dVAE, transformer.
public struct ModelBundle {
  /// Names of its files.
  public enum File {
    public static let tokenizer = "tokenizer.json"
    public static let dvae = "dvae.json"
    public static let dvaeWeights = "dvae.safetensors"
    public static let transformer = "transformer.json"
    public static let transformerWeights = "transformer.safetensors"
  }

  public let folder: String
  public let tokenizer: Tokenizer
  public let dvae: DVAEConfig
  public let transformer: TransformerConfig
  public let dvaeWeights: LocalParameters
  public let transformerWeights: LocalParameters

  /// Loads a bundle, or the `model` folder of a run, and checks that its parts fit each other.
  public init(_ path: String) throws {
    let inner = path + "/model"
    folder = FileManager.default.fileExists(atPath: inner) ? inner : path
    let place = folder
    func existing(_ name: String) throws -> String {
      let file = "\(place)/\(name)"
      guard FileManager.default.fileExists(atPath: file) else {
        throw ModelBundleError(file, "is missing: this is no trained model; a run makes one in its folder `model`")
      }
      return file
    }
    tokenizer = try Tokenizer(contentsOf: existing(File.tokenizer))
    dvae = try Self.config(existing(File.dvae))
    transformer = try Self.config(existing(File.transformer))
    try dvae.validate()
    try transformer.validate()
    for (name, ours, theirs) in [
      ("tokens", transformer.textVocabulary, tokenizer.vocabularyCount),
      ("image tokens", transformer.imageVocabulary, dvae.vocabulary), ("rows of image tokens", transformer.grid, dvae.grid),
    ] where ours != theirs {
      throw ModelBundleError(
        "\(place)/\(File.transformer)", "the transformer has \(ours) \(name), but its neighbours in the folder \(theirs)")
    }
    dvaeWeights = try Self.weights(DVAEArchitecture(dvae).table, existing(File.dvaeWeights))
    transformerWeights = try Self.weights(Transformer.table(transformer), existing(File.transformerWeights))
  }

  /// Ready to draw.
  public func generator() throws -> PictureGenerator {
    PictureGenerator(
      tokenizer: tokenizer, dvae: try DVAE(dvae, batch: 16, mode: .inference), dvaeWeights: dvaeWeights,
      transformer: transformer, weights: transformerWeights)
  }

  /// Weights of a model from a file that must hold exactly them.
  public static func weights(_ table: ParameterTable, _ path: String) throws -> LocalParameters {
    let reader = try SafetensorsReader(path)
    let parameters = LocalParameters(table, gradients: false)
    for parameter in table.parameters {
      let values = parameters.weights(of: parameter.block)[parameter]
      try reader.read(
        parameter.name, shape: parameter.shape, into: UnsafeMutableBufferPointer(start: values.base, count: values.count))
    }
    let known = Set(table.parameters.map(\.name))
    if let extra = reader.tensors.keys.filter({ !known.contains($0) }).min() {
      throw ModelBundleError(path, "has a tensor `\(extra)` that this model does not have")
    }
    return parameters
  }

  private static func config<Config: Decodable>(_ path: String) throws -> Config {
    do {
      return try JSONDecoder().decode(Config.self, from: readFile(path))
    } catch let error as DecodingError {
      throw ModelBundleError(path, "cannot be understood: \(error)")
    }
  }
}

/// A model folder that cannot be used.
public struct ModelBundleError: Error, CustomStringConvertible, Equatable {
  public let description: String
  init(_ path: String, _ problem: String) { description = "\(path): \(problem)" }
}
