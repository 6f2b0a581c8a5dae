import Images
import Random
import Scenes

/// What a picture is used for.
public enum Split: String, Sendable, CaseIterable {
  case training = "train"
  /// Never trained on.
  case validation
}

/// Captioned pictures that can be asked for by number, in any order, from any thread.
public protocol PictureSource: Sendable {
  func count(_ split: Split) -> Int
  func caption(_ index: Int, _ split: Split) -> String
  /// The picture as it is stored, before cropping. Throws if it cannot be read.
  func picture(_ index: Int, _ split: Split) throws -> Picture
  /// What the sample is called in messages.
  func name(_ index: Int, _ split: Split) -> String
  /// Prompts for the sample pictures of a training.
  func prompts(_ count: Int) -> [String]
}

/// Scenes that the project draws itself.
public struct ScenesSource: PictureSource {
  private let generator: SceneGenerator
  private let config: DataConfig

  public init(_ config: DataConfig, seed: UInt64) {
    self.config = config
    generator = SceneGenerator(seed: seed)
  }

  private func scene(_ index: Int, _ split: Split) -> Scene {
    generator.scene(index, split == .training ? .training : .heldOut)
  }

  public func count(_ split: Split) -> Int { split == .training ? config.scenes : config.validation }
  public func caption(_ index: Int, _ split: Split) -> String { scene(index, split).caption }
  public func name(_ index: Int, _ split: Split) -> String { "scene \(index)" }
  public func picture(_ index: Int, _ split: Split) -> Picture { scene(index, split).draw(size: config.imageSize) }

  /// Half held-out descriptions, half with a pair of colour and shape that is never trained on.
  public func prompts(_ count: Int) -> [String] {
    (generator.evaluationPrompts(count - count / 2, .heldOut) + generator.evaluationPrompts(count / 2, .neverSeen))
      .map(\.words)
  }
}

extension PictureSource {
  /// Picture `index`, or the next one that can be read: a bad file is reported and passed over, and does not end a training.
  func readable(_ index: Int, _ split: Split, warn: (String) -> Void) throws -> Picture {
    var problem = ""
    // A source in which ten pictures in a row are bad is not worth going on with.
    for attempt in 0..<min(10, count(split)) {
      let candidate = (index + attempt) % count(split)
      do {
        return try picture(candidate, split)
      } catch {
        problem = "\(error)"
        warn(problem)
      }
    }
    throw ConfigError("ten pictures in a row cannot be read; the last: \(problem)")
  }
}
