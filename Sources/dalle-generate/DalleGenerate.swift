import ArgumentParser
import Commands
import Files
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
      Writes every image to a file of its own, 01-01.png and so on (the number of the prompt, the number of the image), and \
      grid.png, which shows the first eight images of each prompt with its caption. In a folder that has images, numbering \
      continues: no image is overwritten. The same prompt and seed give the same images.
      """)

  @Argument(help: "Descriptions of the images, each in quotes.")
  var prompts: [String]

  @Option(help: "A run's folder, or a copy of its folder `model`.")
  var model = "runs/demo"

  @Option(parsing: .unconditional, help: "Images per prompt.")
  var count = 4

  @Option(parsing: .unconditional, help: "Random seed.")
  var seed: UInt64 = 1

  @OptionGroup var sampling: SamplingOptions<Defaults>

  @Option(help: "Folder for the images; it is made if it does not exist.")
  var out = "images"

  struct Defaults: SamplingDefaults {
    static let sampling = SamplingConfig()
  }

  func validate() throws {
    if !(1...10_000).contains(count) { throw ValidationError("--count is \(count); it must lie between 1 and 10000") }
  }

  func run() { SingleCommand.run(generate) }

  private func generate() throws {
    setThreads(UsableCores().count)
    try checkFolder(out)
    let generator = try reporting("reading the model") { try ModelBundle(model).generator() }
    try generator.check(prompts)
    let folder = try ImageFolder(out)

    var meter = ProgressMeter.console()
    let images = try generator.generate(prompts, count: count, seed: seed, sampling.config) { meter.show("generating", $0, of: $1) }
    meter.finish()
    let paths = try reporting("writing images") { try images.flatMap(folder.add) }
    // Rows longer than eight images would not fit a screen.
    let rows = zip(prompts, images).map { ImageGrid.Row(caption: $0, images: Array($1.prefix(8))) }
    let grid = try folder.add(grid: ImageGrid.compose(rows))[0]
    print(
      "\(grid): \(paths.count) \(paths.count == 1 ? "image" : "images") from \(prompts.count) "
        + "\(prompts.count == 1 ? "prompt" : "prompts"), \(paths.first!) to \(paths.last!)")
  }
}
