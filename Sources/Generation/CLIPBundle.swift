import Errors
import Files
import Foundation
import Hashing
import Images
import Kernels
import Layers
import Models
import Safetensors
import Tokenizer

/// A trained CLIP and its tokenizer, from the folder of a run or of a model.
package struct CLIPBundle {
  /// Of the weights' file.
  private let file: String
  package let clip: CLIP
  package let weights: LocalParameters
  package let tokenizer: Tokenizer
  /// SHA-256 of the weights' file: features of two networks cannot be compared.
  package let hash: String

  /// - Throws: `DalleError` of kind `noInput` where the folder has no CLIP, of kind `data` where a file is damaged or of another run.
  package init(_ path: String) throws {
    let folder = ModelBundle.folder(path)
    let (shape, weights) = ("\(folder)/\(ModelBundle.File.clip)", "\(folder)/\(ModelBundle.File.clipWeights)")
    for name in [shape, weights] where !FileManager.default.fileExists(atPath: name) {
      throw DalleError(
        .noInput,
        "\(name): is missing, so no network can judge images; train it: dalle-train --set clip.enabled=true --stage clip, with the run's "
          + "own options; or name another run that has one")
    }
    let config = try VersionedJSON.read(CLIPConfig.self, from: shape, version: ModelBundle.formatVersion, defaults: NoDefaults())
    do { try config.validate() } catch let error as DalleError {
      throw DalleError(.data, "\(shape): \(error); copy the file again from its run")
    }
    tokenizer = try ModelBundle.tokenizer(in: folder)
    let name = "\(folder)/\(ModelBundle.File.tokenizer)"
    guard let hash = SHA256.hex(ofFile: weights), let given = SHA256.hex(ofFile: name) else {
      throw DalleError.file(weights, "cannot be read")
    }
    let expected = try SafetensorsReader(weights).metadata["tokenizer"]
    guard expected == nil || expected == given, config.textVocabulary == tokenizer.vocabularyCount else {
      throw DalleError(
        .data, "\(weights): this CLIP was trained with another tokenizer than \(name); put the files of one run together")
    }
    (file, self.hash) = (weights, hash)
    let precision = Precision.fastest
    clip = try CLIP(config, batch: 32, precision: precision)
    self.weights = try ModelBundle.weights(clip.table, weights, precision)
  }

  private struct NoDefaults: Encodable {}

  /// Features of images, which are scaled to the network's size where they have another.
  package func features(of images: [Image]) throws -> FeatureSet {
    let size = clip.config.imageSize
    let pixels = images.flatMap { ($0.width == size && $0.height == size ? $0 : $0.centerCrop(size)).pixels }
    return try finite(clip.imageFeatures(pixels, weights))
  }

  package func features(of captions: [String]) throws -> FeatureSet {
    let tokens = captions.map { tokenizer.prefix(tokenizer.encode($0), clip.config.textLength) }
    return try finite(clip.textFeatures(tokens, weights))
  }

  private func finite(_ values: [Float]) throws -> FeatureSet {
    guard values.allSatisfy(\.isFinite) else {
      throw DalleError(
        .data,
        "\(file): this CLIP gives features that are infinite or NaN: its training diverged; train it again with a lower clip.training.lr.peak"
      )
    }
    return FeatureSet(values, size: clip.config.featureSize)
  }
}
