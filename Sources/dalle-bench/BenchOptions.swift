import ArgumentParser
import Files
import Kernels
import MPI
import Monitoring
import Preparation

/// What every measurement takes.
struct BenchOptions: ParsableArguments {
  @Option(help: "Times that each measurement is repeated; the median counts.")
  var repeats = 5

  @Flag(help: "Print JSON.")
  var json = false

  func validate() throws {
    guard (1...1000).contains(repeats) else { throw ValidationError("--repeats is \(repeats); it must lie between 1 and 1000") }
  }

  /// Prints a result, for people or for programs.
  func print(_ result: some Encodable, _ text: String) throws {
    if json {
      Swift.print(String(decoding: try JSON.pretty(result), as: UTF8.self), terminator: "")
    } else {
      Swift.print(text)
    }
  }
}

/// What the measurement of a training takes besides.
struct GradientOptions: ParsableArguments {
  @Option(help: "Blocks whose gradients a rank holds at a time, at least 3. Default: all.")
  var gradientBlocks = 1000

  func validate() throws {
    guard gradientBlocks >= 3 else { throw ValidationError("--gradient-blocks is \(gradientBlocks); it must be at least 3") }
  }
}

/// Ranks and threads of a measurement.
struct BenchSetting {
  let ranks: Int
  let threads: Int

  /// Gives this rank its share of the cores. Collective.
  init(_ world: Communicator) throws {
    ranks = world.size
    threads = try UsableCores().share(among: world.splitByMemory())
    setThreads(threads)
  }

  var text: String { "\(ranks) \(ranks == 1 ? "rank" : "ranks"), \(threads) \(threads == 1 ? "thread" : "threads") each" }
}
