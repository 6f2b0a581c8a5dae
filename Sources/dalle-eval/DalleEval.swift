import ArgumentParser
import Commands
import Files
import Foundation
import Generation
import Kernels
import Monitoring

@main
struct DalleEval: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "dalle-eval", abstract: "Measures a trained model.", subcommands: [ScenesCommand.self])
}

struct ScenesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "scenes",
    abstract: "Generates images of scenes that the model never saw, and checks what they show.",
    discussion: """
      Counts the images with the right shapes in the right colours, in the right sizes, in the right relation, for prompts \
      of seen and of never-seen pairs of colour and shape. Also measures the loss of the validation split, and the \
      dVAE. Writes grid.png and scores.json.
      """)

  @Option(help: "A run's folder, or a copy of its folder `model`.")
  var model = "runs/demo"

  @Option(help: "Prompts of each kind.")
  var prompts = 128

  @Option(help: "Held-out scenes for loss and reconstruction.")
  var images = 256

  @Option(help: "Random seed of prompts and images.")
  var seed: UInt64 = 1

  @OptionGroup var sampling: SamplingOptions<Defaults>

  @Option(help: "Folder for the sheet and the scores. Default: evaluation in the model's folder.")
  var out: String?

  /// Scenes need few slips more than variety.
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
    let out = out ?? "\(model)/evaluation"
    let bundle = try reporting("reading the model") { try ModelBundle(model) }
    try makeFolder(out)
    var meter = ProgressMeter.console()
    let (result, sheet) = try SceneEvaluation.run(
      bundle, prompts: prompts, images: images, seed: seed, sampling.config
    ) { meter.show("generating", $0, of: $1) }
    meter.finish()
    try sheet.write(to: "\(out)/grid.png")
    try replaceFile("\(out)/scores.json", with: JSON.pretty(result))
    print(
      """
      one image per prompt, temperature \(sampling.temperature), guidance \(sampling.guidance)
      seen combinations        \(result.seen.summary)
      never-seen combinations  \(result.neverSeen.summary)
      dVAE alone, seen         \(result.seenReconstructed.summary)
      dVAE alone, never seen   \(result.neverSeenReconstructed.summary)
      held-out loss            text \(short(result.textNats)), image \(short(result.imageNats)) nats per token
      dVAE                     PSNR \(short(result.psnr)) dB, \(short(100 * result.codesUsed)) % of \(bundle.dvae.vocabulary) \
      codes used, perplexity \(short(result.codePerplexity))
      images                   \(out)/grid.png
      """)
  }
}
