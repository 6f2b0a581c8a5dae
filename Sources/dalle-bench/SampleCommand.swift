import ArgumentParser
import Commands
import Foundation
import Kernels
import Monitoring

struct SampleCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sample", abstract: "Measures drawing with the transformer: the shape `small`, one process.",
    discussion: "A step draws one image token of each picture, with kept keys and values; the dVAE's decoder is not in it.")

  @OptionGroup var options: BenchOptions

  @Option(help: "Pictures drawn side by side.")
  var pictures = 1

  @Option(help: "Steps that are measured; a whole picture has 1024.")
  var steps = 256

  func validate() throws {
    for (name, value, range) in [("--pictures", pictures, 1...4096), ("--steps", steps, 1...1024)] where !range.contains(value) {
      throw ValidationError("\(name) is \(value); it must lie between \(range.lowerBound) and \(range.upperBound)")
    }
  }

  func run() {
    do {
      let threads = UsableCores().count
      setThreads(threads)
      let result = try SamplingBench(pictures: pictures, steps: steps, repeats: options.repeats)
      try options.print(result, "\(threads) \(threads == 1 ? "thread" : "threads")\n\(result.text)")
    } catch { Failure.end(error) }
  }
}
