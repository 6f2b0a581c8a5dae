import Monitoring

/// Where each rank's time went, the newest line of `logs/STAGE.ranks.jsonl`.
package struct RankTimes: Sendable {
  /// The phases of a step, in the order in which they are shown.
  package static let phases = Phase.ofStep.map(\.name)

  package var step = 0
  /// Steps of which these are the means.
  package var over = 1
  package var memory: [Double] = []
  /// Seconds per step: a list for each phase, with an entry for each rank.
  package var seconds: [String: [Double]] = [:]

  package init() {}

  /// Reads a line; nil if it is damaged.
  init?(line: UnsafeRawBufferPointer) {
    let isWhole = JSONCursor.object(line) { json in
      while let key = json.nextKey() {
        switch key {
        case "step": step = json.integer() ?? 0
        case "over": over = max(1, json.integer() ?? 1)
        case "memory": memory = json.list { $0.number() ?? .nan } ?? []
        case "phases":
          guard json.enterObject() else { break }
          while let phase = json.nextKey() { seconds[phase.text] = json.list { $0.number() ?? .nan } }
        default: json.skip()
        }
      }
    }
    if !isWhole || seconds.isEmpty { return nil }
  }

  /// Seconds per step of a rank in a phase; nil where there is no entry.
  package func seconds(_ phase: String, rank: Int) -> Double? {
    guard let list = seconds[phase], list.indices.contains(rank), list[rank].isFinite else { return nil }
    return list[rank]
  }

  /// Seconds per step that a rank does not wait for others: the one that they wait for has the most.
  package func busy(rank: Int) -> Double? {
    let parts = Self.phases.filter { $0 != "wait" }.compactMap { seconds($0, rank: rank) }
    return parts.isEmpty ? nil : parts.reduce(0, +)
  }
}
