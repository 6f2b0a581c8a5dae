import ArgumentParser
import Commands
import Foundation
import Kernels
import Monitoring

struct SampleCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sample", abstract: "Measures sampling with the transformer `small`, in one process.",
    discussion: "A step samples one token of each image with a KV cache; decoding by the dVAE is not included.")

  @OptionGroup var options: BenchOptions

  @Option(parsing: .unconditional, help: "Images sampled side by side.")
  var images = 1

  @Option(parsing: .unconditional, help: "Steps per measurement; a whole image has 1024.")
  var steps = 256

  func validate() throws {
    for (name, value, range) in [("--images", images, 1...4096), ("--steps", steps, 1...1024)] where !range.contains(value) {
      throw ValidationError("\(name) is \(value); it must lie between \(range.lowerBound) and \(range.upperBound)")
    }
  }

  func run() {
    SingleCommand.run {
      let threads = UsableCores().count
      setThreads(threads)
      let result = try SamplingBench(images: images, steps: steps, repeats: options.repeats)
      try options.print(result, "\(threads) \(threads == 1 ? "thread" : "threads")\n\(result.text)")
    }
  }
}
