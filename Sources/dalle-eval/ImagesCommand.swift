import ArgumentParser
import Commands
import Datasets
import Errors
import Files
import Foundation
import Generation
import Images
import Kernels
import Monitoring
import Random
import Reports

struct ImagesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "images",
    abstract: "Generates an image for the caption of each held-out one, and compares them.",
    discussion: """
      Takes images of a dataset's validation split, which the model was not trained on. Measures the loss of their captions and image \
      tokens, what the dVAE keeps of them, how far the generated images are from them (Fréchet and kernel distance of features), and \
      the share of images whose own caption ranks first among others. Features come from a CLIP that was trained on the same kind of \
      data (`dalle-train --set clip.enabled=true`); its hash is in the result. All numbers have intervals that contain the true value \
      in 95 of 100 cases. Writes grid.png, scores.json and scores.html; in a folder that has them, grid-02.png and so on.
      """)

  @Argument(help: "Folder of a dataset that `dalle-prep collect` made.")
  var dataset: String

  @Option(help: "A run's folder, or a copy of its folder `model`.")
  var model: String

  @Option(help: "A run's folder, or a folder with its tokenizer.json, clip.json and clip.safetensors. Default: that of --model.")
  var features: String?

  @Option(parsing: .unconditional, help: "Held-out images; all of the split where it has fewer.")
  var images = 256

  @Option(parsing: .unconditional, help: "Captions among which an image's own is looked for, its own included.")
  var candidates = 100

  @Option(parsing: .unconditional, help: "Images that the page and the grid show.")
  var samples = 48

  @Option(parsing: .unconditional, help: "Random seed of the choice of images, and of the generated ones.")
  var seed: UInt64 = 1

  @OptionGroup var sampling: SamplingOptions<Defaults>

  @Option(help: "Folder for the results; no file is overwritten. Default: evaluation in the model's folder.")
  var out: String?

  @Flag(
    help:
      "Also write every image as a file, for other programs: images/held-out, images/reconstructed and images/generated in --out.")
  var saveImages = false

  /// Distances compare whole distributions, so images are sampled as the model was trained.
  struct Defaults: SamplingDefaults { static let sampling = SamplingConfig() }

  func validate() throws {
    for (name, value, range) in [
      ("--images", images, ImageEvaluation.leastImages...ImageEvaluation.mostImages), ("--candidates", candidates, 2...65_536),
      ("--samples", samples, 1...4096),
    ] where !range.contains(value) {
      throw ValidationError("\(name) is \(value); it must lie between \(range.lowerBound) and \(range.upperBound)")
    }
  }

  func run() { SingleCommand.run(measure) }

  private func measure() throws {
    setThreads(UsableCores().count)
    if let out { try checkFolder(out) }
    let data = try Dataset(DatasetFolder(dataset))
    let bundle = try reporting("reading the model") { try ModelBundle(model) }
    let judge = try CLIPBundle(features ?? model)
    let folder = try ImageFolder(out ?? "\(model)/evaluation")
    var meter = ProgressMeter.console()
    let (chosen, unreadable) = try heldOut(data, size: bundle.dvae.imageSize) { meter.show("reading images", $0, of: $1) }
    let evaluation = try ImageEvaluation(
      bundle, judge, images: chosen, candidates: candidates, seed: seed, sampling.config
    ) { meter.show($0, $1, of: $2) }
    meter.finish()
    let shown = Array(evaluation.samples.prefix(samples))
    let result = evaluation.metrics
    let name = URL(fileURLWithPath: model).standardizedFileURL.lastPathComponent
    let page = try ImageScoresPage(result, name: name, path: model, samples: shown)
    let rows = shown.map { ImageGrid.Row(caption: $0.caption, images: [$0.heldOut, $0.reconstructed, $0.generated]) }
    let paths = try folder.add(grid: ImageGrid.compose(rows, columns: 4), scores: JSON.pretty(result), page: Data(page.html.utf8))
    let saved = saveImages ? [try save(evaluation.samples, beside: paths[0])] : []
    print(text(result, unreadable: unreadable, paths: paths + saved))
  }

  /// Writes all images into a folder with the number of the grid.
  private func save(_ samples: [ImageEvaluation.Sample], beside grid: String) throws -> String {
    let name = (grid as NSString).lastPathComponent.replacingOccurrences(of: "grid", with: "images")
    let folder = (grid as NSString).deletingLastPathComponent + "/" + (name as NSString).deletingPathExtension
    let kinds: [(name: String, image: KeyPath<ImageEvaluation.Sample, Image>)] = [
      ("held-out", \.heldOut), ("reconstructed", \.reconstructed), ("generated", \.generated),
    ]
    for kind in kinds {
      try makeFolder("\(folder)/\(kind.name)")
      for (index, sample) in samples.enumerated() {
        try sample[keyPath: kind.image].write(to: "\(folder)/\(kind.name)/\(zeroPadded(index + 1, digits: 5)).png")
      }
    }
    return folder
  }

  /// Images of the validation split with their first captions, cropped as for evaluation; in the order of the seed.
  private func heldOut(
    _ data: Dataset, size: Int, progress: (_ done: Int, _ total: Int) -> Void
  ) throws -> (images: [(caption: String, image: Image)], unreadable: [String]) {
    let count = data.count(.validation)
    var random = RandomStream(seed: seed, stream: 0xE7A1)
    let order = Array(0..<count).shuffled(using: &random)
    var (result, unreadable) = ([(caption: String, image: Image)](), [String]())
    for index in order where result.count < images {
      progress(result.count, min(images, count))
      do {
        let image = try data.image(index, .validation, forCropsOf: size)
        result.append((try data.captions(index, .validation)[0], image.centerCrop(size)))
      } catch { unreadable.append("\(error)") }
    }
    guard result.count >= ImageEvaluation.leastImages else {
      throw DalleError(
        .data,
        "\(dataset): its validation split has \(count) images, of which \(result.count) can be read\(Self.first(unreadable)); at least \(ImageEvaluation.leastImages) are needed: "
          + "collect the dataset with --validation \(images)")
    }
    return (result, unreadable)
  }

  /// " (the first that cannot: PATH: cannot be decoded)"
  private static func first(_ problems: [String]) -> String { problems.first.map { " (the first that cannot: \($0))" } ?? "" }

  private func text(_ result: ImageMetrics, unreadable: [String], paths: [String]) -> String {
    func number(_ estimate: Estimate, _ factor: Double = 1) -> String {
      "\(short(factor * estimate.value)) (\(short(factor * estimate.low)) to \(short(factor * estimate.high)))"
    }
    func kind(_ kind: ImageMetrics.Kind) -> String {
      "Fréchet distance \(number(kind.frechetDistance)), kernel distance \(number(kind.kernelDistance)), own caption first "
        + "\(number(kind.captionFirst, 100)) %"
    }
    let count = unreadable.count
    let others = count == 0 ? "" : ", \(count) \(count == 1 ? "other" : "others") skipped\(Self.first(unreadable))"
    let similarity = result.similarity.map { ", SSIM \(number($0))" } ?? ""
    return """
      \(result.images) held-out images\(others), one generated for each caption, temperature \
      \(sampling.temperature), guidance \(sampling.guidance)
      validation loss     text \(number(result.textNats)), image \(number(result.imageNats)) nats per token
      dVAE                PSNR \(number(result.psnr)) dB\(similarity)
      generated           \(kind(result.generated))
      through the dVAE    \(kind(result.reconstructed))
      held-out            own caption first \(number(result.heldOutCaptionFirst, 100)) % of \(result.candidates) captions
      features            SHA-256 \(result.features.prefix(12))
      files               \(paths.joined(separator: ", "))
      """
  }
}
