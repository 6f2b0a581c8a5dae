import ArgumentParser
import Commands
import Files
import Foundation
import Generation
import Kernels
import Monitoring

struct ScenesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "scenes",
    abstract: "Generates images of scenes that the model was not trained on, and checks what they show.",
    discussion: """
      For prompts of the validation split, and for prompts with a pair of color and shape that never occurs in training, counts \
      the images with the right shapes in the right colors, with the right sizes, and with the right relation. A shape counts where \
      it overlaps with the ideal one by 88 %, and by 8.5 % more than with any other. Also measures the loss of the validation split, \
      and the dVAE. Writes grid.png and scores.json; in a folder that has them, grid-02.png and scores-02.json, and so on.
      """)

  @Option(help: "A run's folder, or a copy of its folder `model`.")
  var model = "runs/demo"

  @Option(parsing: .unconditional, help: "Prompts of each kind.")
  var prompts = 128

  @Option(parsing: .unconditional, help: "Scenes of the validation split for loss and reconstruction.")
  var images = 256

  @Option(parsing: .unconditional, help: "Random seed of prompts and images.")
  var seed: UInt64 = 1

  @OptionGroup var sampling: SamplingOptions<Defaults>

  @Option(help: "Folder for the grid and the scores; no file is overwritten. Default: evaluation in the model's folder.")
  var out: String?

  /// Scenes need accuracy more than variety.
  struct Defaults: SamplingDefaults {
    static let sampling = {
      var config = SamplingConfig()
      (config.temperature, config.guidance) = (0.2, 1.5)
      return config
    }()
  }

  func validate() throws {
    for (name, value) in [("--prompts", prompts), ("--images", images)] where !(1...4096).contains(value) {
      throw ValidationError("\(name) is \(value); it must lie between 1 and 4096")
    }
  }

  func run() { SingleCommand.run(measure) }

  private func measure() throws {
    setThreads(UsableCores().count)
    if let out { try checkFolder(out) }
    let bundle = try reporting("reading the model") { try ModelBundle(model) }
    let folder = try ImageFolder(out ?? "\(model)/evaluation")
    var meter = ProgressMeter.console()
    let evaluation = try SceneEvaluation(
      bundle, prompts: prompts, images: images, seed: seed, sampling.config
    ) { meter.show("generating", $0, of: $1) }
    meter.finish()
    let result = evaluation.metrics
    let paths = try folder.add(grid: evaluation.grid, scores: JSON.pretty(result))
    print(
      """
      one image per prompt, temperature \(sampling.temperature), guidance \(sampling.guidance)
      validation prompts         \(result.validation.summary)
      prompts of unseen pairs    \(result.unseenPairs.summary)
      dVAE alone, validation     \(result.validationReconstructed.summary)
      dVAE alone, unseen pairs   \(result.unseenPairsReconstructed.summary)
      validation loss            text \(short(result.textNats)), image \(short(result.imageNats)) nats per token
      dVAE                       PSNR \(short(result.psnr)) dB, \(short(100 * result.codesUsed)) % of \(bundle.dvae.vocabulary) \
      codes used, perplexity \(short(result.codePerplexity))
      files                      \(paths.joined(separator: ", "))
      """)
  }
}
