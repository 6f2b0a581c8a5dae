import Kernels

/// A cluster that need not be there: what it has, and how fast that is. A file describes it (`ClusterFile`), and `Plan` predicts from it.
///
/// Rates of a node are those of all its ranks together, however many cores they share.
package struct Cluster: Sendable, Equatable {
  package struct Machine: Sendable, Equatable {
    /// FLOP/s of large GEMMs.
    package var fp32: Double
    /// The same in bf16; nil where the CPU has none.
    package var bf16: Double?
    /// Bytes/s that are read from memory and written to it.
    package var memory: Double
    /// Bytes/s of gradients that the ranks sum; nil for one rank.
    package var allReduce: Double?

    /// FLOP/s of large GEMMs.
    func peak(_ precision: Precision) -> Double { precision == .bf16 ? bf16 ?? fp32 : fp32 }
  }

  package struct Network: Sendable, Equatable {
    /// Bits/s of a node in each direction.
    package var bandwidth: Double
    /// Seconds of a short message.
    package var latency: Double
    /// Bytes/s that a rank sends, and receives and sums at the same time, where the link is no limit; nil if that takes no processor.
    package var processing: Double?

    /// Seconds of a rank's processor for some bytes of a node.
    func processingSeconds(_ bytes: Double, ranksPerNode: Int) -> Double {
      processing.map { bytes / Double(ranksPerNode) / $0 } ?? 0
    }
    /// Seconds that a node takes to send, or to receive, some bytes.
    func seconds(_ bytes: Double, ranksPerNode: Int) -> Double {
      max(8 * bytes / bandwidth, processingSeconds(bytes, ranksPerNode: ranksPerNode))
    }
  }

  package var nodes: Int
  package var ranksPerNode: Int
  /// Bytes of a node that a training may take.
  package var memory: Int
  package var machine: Machine
  /// Share of the GEMM peak that forward and backward passes reach; nil for what was measured on one machine (`defaultEfficiency`).
  package var efficiency: Double?
  /// Nil for one node.
  package var network: Network?
  /// Bytes/s that the coordinator writes to the run's folder.
  package var storage: Double
  /// Mean hours from one failure of a node to the next.
  package var nodeHoursBetweenFailures: Double

  package var ranks: Int { nodes * ranksPerNode }
  /// Mean seconds from one failure of any node to the next.
  package var secondsBetweenFailures: Double { 3600 * nodeHoursBetweenFailures / Double(nodes) }

  /// What `auto` means on it. GEMMs that widen bf16 are as fast as fp32, apart from the measurements' noise (`Precision.fastest`).
  func precision(_ choice: PrecisionChoice) -> Precision {
    switch choice {
    case .auto: machine.bf16 ?? 0 < 1.1 * machine.fp32 ? .fp32 : .bf16
    case .fp32: .fp32
    case .bf16: .bf16
    }
  }

  /// Of the transformer `small` on the machine of Docs/performance.md, "Training and generation".
  package static func defaultEfficiency(_ precision: Precision) -> Double { precision == .bf16 ? 0.80 : 0.93 }

  /// FLOP/s that forward and backward passes reach on a node.
  func speed(_ precision: Precision) -> Double {
    machine.peak(precision) * (efficiency ?? Self.defaultEfficiency(precision))
  }
}
