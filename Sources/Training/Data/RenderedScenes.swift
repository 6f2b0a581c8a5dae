import Datasets
import Images
import Random
import Scenes

/// Scenes that the project renders itself, with their captions.
package struct RenderedScenes: CaptionedImages {
  private let generator: SceneGenerator
  private let config: DataConfig

  package init(_ config: DataConfig, seed: UInt64) {
    self.config = config
    generator = SceneGenerator(seed: seed)
  }

  private func scene(_ index: Int, _ split: Split) -> Scene {
    generator.scene(index, split == .training ? .training : .validation)
  }

  package func identity() -> String { "\(config.scenes) + \(config.validation) scenes of \(config.imageSize) pixels" }
  package func count(_ split: Split) -> Int { split == .training ? config.scenes : config.validation }
  package func captions(_ index: Int, _ split: Split) -> [String] { [scene(index, split).caption] }
  package func location(_ index: Int, _ split: Split) -> String { "scene \(index)" }
  package func image(_ index: Int, _ split: Split, forCropsOf side: Int?) -> Image {
    scene(index, split).render(size: config.imageSize)
  }

  /// Half from the validation split, half with a pair of color and shape that never occurs in training.
  package func prompts(_ count: Int) -> [String] {
    (generator.evaluationPrompts(count - count / 2, .validation) + generator.evaluationPrompts(count / 2, .unseenPairs))
      .map(\.words)
  }
}
