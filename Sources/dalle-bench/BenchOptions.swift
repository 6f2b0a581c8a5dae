import ArgumentParser
import Files
import Kernels
import MPI
import Monitoring
import Parallel
import Preparation
import Training

/// Options of every measurement.
struct BenchOptions: ParsableArguments {
  @Option(parsing: .unconditional, help: "Number of times that each measurement is repeated; the median is printed.")
  var repeats = 5

  @Flag(help: "Print JSON instead of text.")
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

/// Options of the measurements of training.
struct TrainingBenchOptions: ParsableArguments {
  @Option(parsing: .unconditional, help: "Blocks whose gradients a rank keeps at a time, at least 3. Default: all blocks.")
  var gradientBlocks: Int?

  @Option(help: "auto, fp32 or bf16; auto takes bf16 where the CPU is faster with it.")
  var precision = PrecisionChoice.auto

  @Option(parsing: .unconditional, help: "Ranks that share memory; fewer than there are make simulated nodes. 0: all of a machine.")
  var ranksPerNode = 0

  @Option(help: "What nodes send each other: fp32, bf16 or powersgd (at a compression of 85 %).")
  var exchange = ExchangeFormat.fp32

  @Option(help: "What powersgd sends in fp32: published (embeddings, heads, norms and biases) or vectors (norms and biases).")
  var exempt = PowerSGDConfig.Exempt.published

  @Option(help: "Where weights and state are kept: by each node, or spread over the world.")
  var shard = ShardLayout.node

  @Flag(inversion: .prefixedNo, help: "Exchange gradients during the backward pass, or after it.")
  var overlap = true

  var settings: ExchangeSettings {
    var powersgd = PowerSGDConfig()
    powersgd.exempt = exempt
    return ExchangeSettings(exchange, shard: shard, powersgd: powersgd, seed: 1)
  }

  func validate() throws {
    guard (0...65_536).contains(ranksPerNode) else {
      throw ValidationError("--ranks-per-node is \(ranksPerNode); it must lie between 0 and 65536")
    }
    if let gradientBlocks, gradientBlocks < 3 {
      throw ValidationError("--gradient-blocks is \(gradientBlocks); it must be at least 3")
    }
  }
}

extension PrecisionChoice: ExpressibleByArgument {}
extension ExchangeFormat: ExpressibleByArgument {}
extension PowerSGDConfig.Exempt: ExpressibleByArgument {}
extension ShardLayout: ExpressibleByArgument {}

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
