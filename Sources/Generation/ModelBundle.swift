import Errors
import Files
import Foundation
import Hashing
import Kernels
import Layers
import Models
import Safetensors
import Tokenizer

/// Tokenizer and dVAE of a model folder: they encode captions and images as tokens, and decode them.
package struct TokenBundle {
  package let folder: String
  package let tokenizer: Tokenizer
  package let dvae: DVAEConfig
  package let dvaeWeights: LocalParameters
  /// Of the dVAE's GEMMs and convolutions.
  package let precision: Precision

  /// Loads them from a bundle, or from the `model` folder of a run, which may still lack its transformer.
  package init(_ path: String, _ precision: Precision = .fastest) throws {
    self.precision = precision
    folder = ModelBundle.folder(path)
    try ModelBundle.checkOrigins(in: folder)
    tokenizer = try ModelBundle.tokenizer(in: folder)
    let dvae = try ModelBundle.dvae(in: folder, precision)
    (self.dvae, dvaeWeights) = (dvae.config, dvae.weights)
  }
}

/// A folder with all that generation needs: tokenizer, dVAE, transformer.
package struct ModelBundle {
  /// Names of its files.
  package enum File {
    package static let tokenizer = "tokenizer.json"
    package static let dvae = "dvae.json"
    package static let dvaeWeights = "dvae.safetensors"
    package static let decoderWeights = "decoder.safetensors"
    package static let transformer = "transformer.json"
    package static let transformerWeights = "transformer.safetensors"
    package static let clip = "clip.json"
    package static let clipWeights = "clip.safetensors"
  }
  /// Of the JSON files that describe the models' shapes.
  package static let formatVersion = 1

  package let folder: String
  package let tokenizer: Tokenizer
  package let dvae: DVAEConfig
  package let transformer: TransformerConfig
  package let dvaeWeights: LocalParameters
  package let transformerWeights: LocalParameters
  /// Of both models' GEMMs.
  package let precision = Precision.sampling

  /// Loads a bundle, or the `model` folder of a run, and checks that its parts fit each other.
  package init(_ path: String) throws {
    let tokens = try TokenBundle(path, precision)
    (folder, tokenizer, dvae, dvaeWeights) = (tokens.folder, tokens.tokenizer, tokens.dvae, tokens.dvaeWeights)
    let path = try Self.existing(File.transformer, in: folder)
    transformer = try VersionedJSON.read(
      TransformerConfig.self, from: path, version: Self.formatVersion, defaults: TransformerConfig.LaterKeys())
    try Self.validate(path, transformer.validate)
    for (name, ours, theirs) in [
      ("tokens", transformer.textVocabulary, tokenizer.vocabularyCount),
      ("image tokens", transformer.imageVocabulary, dvae.vocabulary), ("rows of image tokens", transformer.grid, dvae.grid),
    ] where ours != theirs {
      throw DalleError(
        .data,
        "\(folder)/\(File.transformer): the transformer has \(ours) \(name), the tokenizer and the dVAE in its folder have \(theirs); copy all files of the "
          + "folder from one run")
    }
    transformerWeights = try Self.weights(
      Transformer.table(transformer), Self.existing(File.transformerWeights, in: folder), precision)
  }

  /// Checks that the transformer, where there is one, was trained with the tokenizer and the dVAE beside it: its weights' file has
  /// their SHA-256. Sizes alone do not tell; the wrong ones would give nonsense images.
  ///
  /// - Throws: `DalleError` of kind `data` that names the file that is another one.
  static func checkOrigins(in folder: String) throws {
    let weights = "\(folder)/\(File.transformerWeights)"
    guard FileManager.default.fileExists(atPath: weights) else { return }
    let origins = try SafetensorsReader(weights).metadata
    let parts = [("tokenizer", File.tokenizer), ("dVAE", File.dvaeWeights)]
    let unchecked = parts.filter { origins[$0.0] == nil }.map(\.1)
    if !unchecked.isEmpty {
      FileWarnings.warn(
        "origins of \(weights)",
        "\(weights): does not say which \(unchecked.joined(separator: " and ")) it was trained with (it was not exported by this "
          + "version of dalle-train); if images are nonsense, put the files of one run together, or export them again with dalle-train"
      )
    }
    for (name, file) in parts {
      guard let expected = origins[name] else { continue }
      let path = try existing(file, in: folder)
      guard let found = SHA256.hex(ofFile: path) else { throw DalleError.file(path, "cannot be read") }
      guard found == expected else {
        throw DalleError(
          .data,
          "\(weights): this transformer was trained with another \(name) than \(file) beside it (SHA-256 \(expected.prefix(12)), here "
            + "\(found.prefix(12))); put the files of one run together, or train the transformer again: dalle-train --restart-from encode"
        )
      }
    }
  }

  /// The folder that holds a model's files: the `model` folder of a run, or `path` itself.
  package static func folder(_ path: String) -> String {
    let inner = path + "/model"
    return FileManager.default.fileExists(atPath: inner) ? inner : path
  }

  package static func tokenizer(in folder: String) throws -> Tokenizer {
    try Tokenizer(contentsOf: existing(File.tokenizer, in: folder))
  }

  /// A dVAE's shape and its weights.
  package struct LoadedDVAE {
    package let config: DVAEConfig
    package let weights: LocalParameters
  }

  package static func dvae(in folder: String, _ precision: Precision) throws -> LoadedDVAE {
    let path = try existing(File.dvae, in: folder)
    let config = try VersionedJSON.read(DVAEConfig.self, from: path, version: formatVersion, defaults: DVAEConfig())
    try validate(path, config.validate)
    let dvaeWeights = try existing(File.dvaeWeights, in: folder)
    let architecture = DVAEArchitecture(config)
    let weights = try weights(architecture.table, dvaeWeights, precision)
    try takeDecoder(architecture.tunableParameters, in: folder, of: dvaeWeights, into: weights)
    return LoadedDVAE(config: config, weights: weights)
  }

  /// Replaces the decoder's weights with fine-tuned ones, where the folder has them.
  ///
  /// - Throws: `DalleError` of kind `data` where they belong to another dVAE, or are damaged.
  private static func takeDecoder(
    _ parameters: [Parameter], in folder: String, of dvaeWeights: String, into weights: LocalParameters
  ) throws {
    let path = "\(folder)/\(File.decoderWeights)"
    guard FileManager.default.fileExists(atPath: path) else { return }
    let reader = try SafetensorsReader(path)
    guard let hash = SHA256.hex(ofFile: dvaeWeights) else { throw DalleError.file(dvaeWeights, "cannot be read") }
    guard reader.metadata["dVAE"] == hash else {
      throw DalleError(
        .data,
        "\(path): this decoder was fine-tuned for another dVAE than \(File.dvaeWeights) beside it; remove it, or make it again: dalle-train "
          + "--set decoder.enabled=true --stage decoder, with the run's own options")
    }
    for parameter in parameters { try read(parameter, of: reader, path, into: weights) }
    try refuseOthers(than: parameters, in: reader, path)
    weights.refreshComputeCopy()
  }

  /// Names the file in the error of a shape that no model can have.
  private static func validate(_ path: String, _ validate: () throws -> Void) throws {
    do { try validate() } catch let error as DalleError {
      throw DalleError(.data, "\(path): \(error); copy the file again from its run")
    }
  }

  private static func existing(_ name: String, in folder: String) throws -> String {
    let file = "\(folder)/\(name)"
    guard FileManager.default.fileExists(atPath: file) else {
      throw DalleError(
        .noInput,
        "\(file): is missing, so the folder has no trained model; name the folder of a finished run, or a copy of its folder `model`"
      )
    }
    return file
  }

  /// Ready to generate.
  package func generator() throws -> ImageGenerator {
    ImageGenerator(
      tokenizer: tokenizer, dvae: try DVAE(dvae, batch: 16, mode: .inference, precision: precision), dvaeWeights: dvaeWeights,
      transformer: transformer, weights: try PackedWeights(transformerWeights, precision))
  }

  /// Weights of a model from a file that must have exactly its parameters.
  package static func weights(
    _ table: ParameterTable, _ path: String, _ precision: Precision
  ) throws -> LocalParameters {
    let reader = try SafetensorsReader(path)
    let parameters = LocalParameters(table, gradients: false, precision: precision)
    for parameter in table.parameters { try read(parameter, of: reader, path, into: parameters) }
    try refuseOthers(than: table.parameters, in: reader, path)
    parameters.refreshComputeCopy()
    return parameters
  }

  private static func refuseOthers(than parameters: [Parameter], in reader: SafetensorsReader, _ path: String) throws {
    let known = Set(parameters.map(\.name))
    if let extra = reader.tensors.keys.filter({ !known.contains($0) }).min() {
      throw DalleError(
        .data,
        "\(path): has the tensor `\(extra)`, which a model of this shape does not have; copy the .json file from the same run")
    }
  }

  private static func read(
    _ parameter: Parameter, of reader: SafetensorsReader, _ path: String, into parameters: LocalParameters
  ) throws {
    let values = parameters.weights(of: parameter.block)[parameter]
    try reader.read(
      parameter.name, shape: parameter.shape, into: UnsafeMutableBufferPointer(start: values.base, count: values.count))
    guard values.isFinite else {
      throw DalleError(
        .data,
        "\(path): values of the tensor `\(parameter.name)` are infinite or NaN: the training that made it diverged; train it again with "
          + "a lower lr.peak, or name another model")
    }
  }
}
