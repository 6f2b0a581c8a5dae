import ArgumentParser
import Commands
import Files
import Foundation
import Generation
import Images
import Kernels
import Monitoring

@main
struct DalleGenerate: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "dalle-generate",
    abstract: "Generates images from prompts.",
    discussion: """
      Writes a sheet with captions, grid.png, and every image by itself, 01-01.png and so on: the number of the prompt and \
      of the image. The same seed gives the same images.
      """)

  @Argument(help: "What the images show; several prompts in quotes.")
  var prompts: [String]

  @Option(help: "A run's folder, or a copy of its folder `model`.")
  var model = "runs/demo"

  @Option(help: "Images for each prompt.")
  var count = 4

  @Option(help: "Random seed.")
  var seed: UInt64 = 1

  @Option(help: "Sampling temperature: lower is more deterministic; 0 is greedy (argmax).")
  var temperature = 1.0

  @Option(help: "Sample among the k most likely tokens; 0 samples among all.")
  var topK = 0

  @Option(help: "Sample among the most likely tokens that have this probability together.")
  var topP = 1.0

  @Option(help: "Classifier-free guidance: above 1 follows the prompt more closely, if the model was trained with captionDropout.")
  var guidance = 1.0

  @Option(help: "Folder for the images.")
  var out = "images"

  func validate() throws {
    func check(_ holds: Bool, _ text: String) throws {
      if !holds { throw ValidationError(text) }
    }
    try check(count >= 1 && count <= 10_000, "--count is \(count); it must lie between 1 and 10000")
    try check(temperature >= 0 && temperature.isFinite, "--temperature is \(temperature); it must be at least 0")
    try check(topK >= 0, "--top-k is \(topK); it must be at least 0")
    try check(topP > 0 && topP <= 1, "--top-p is \(topP); it must lie above 0 and not above 1")
    try check(guidance >= 0 && guidance.isFinite, "--guidance is \(guidance); it must be at least 0")
  }

  func run() {
    do { try draw() } catch { Failure.end(error) }
  }

  private func draw() throws {
    setThreads(UsableCores().count)
    let generator = try ModelBundle(model).generator()
    try makeFolder(out)
    var sampling = SamplingConfig()
    (sampling.temperature, sampling.topK, sampling.topP, sampling.guidance) = (temperature, topK, topP, guidance)

    var meter = ProgressMeter.terminal()
    let pictures = try generator.generate(prompts, count: count, seed: seed, sampling) { meter.show("generating", $0, of: $1) }
    meter.finish()
    for (prompt, row) in pictures.enumerated() {
      for (number, picture) in row.enumerated() {
        try picture.write(to: "\(out)/\(Self.twoDigits(prompt + 1))-\(Self.twoDigits(number + 1)).png")
      }
    }
    // Rows longer than eight pictures would not fit a screen: the sheet shows the first.
    let rows = zip(prompts, pictures).map { (caption: $0, images: Array($1.prefix(8))) }
    try ImageGrid.compose(rows).write(to: "\(out)/grid.png")
    print("\(out)/grid.png: \(prompts.count * count) images from \(prompts.count == 1 ? "1 prompt" : "\(prompts.count) prompts")")
  }

  private static func twoDigits(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
}
