import Layers
import Optimization
import Testing

@testable import Parallel

/// Large and small blocks, rows that fill no cache line, parameters of one value.
private let table: ParameterTable = {
  var table = ParameterTable()
  for (index, shape) in [[3000, 64], [9, 3, 7, 7], [512], [70_000], [1], [4, 5000]].enumerated() {
    let block = table.addBlock("block \(index)")
    _ = table.add("w\(index)", shape, .matrix, .constant(0), to: block)
    _ = table.add("b\(index)", [shape[0]], .bias, .constant(0), to: block)
  }
  return table
}()

@Suite struct PartitionTests {
  @Test(arguments: 1...9) func everyValueHasOneOwner(ranks: Int) {
    let partition = Partition(table, ranks: ranks)
    for block in table.blockIDs {
      var owners = Array(repeating: 0, count: table[block].count)
      for rank in 0..<ranks {
        let pieces = partition.pieces(of: block, rank: rank)
        for piece in pieces {
          for i in piece.range { owners[i] += 1 }
          // Two ranks never write to one cache line.
          #expect(piece.range.lowerBound % 16 == 0)
        }
        let inRanges = Set(partition.ranges(of: block, rank: rank).joined())
        #expect(Set(pieces.flatMap(\.range)).isSubset(of: inRanges))
        let padding = inRanges.subtracting(pieces.flatMap(\.range))
        #expect(padding.allSatisfy { i in !table[block].parameters.contains { ($0.offset..<$0.offset + $0.count).contains(i) } })
      }
      for parameter in table[block].parameters {
        #expect(owners[parameter.offset..<parameter.offset + parameter.count].allSatisfy { $0 == 1 })
      }
    }
  }

  @Test(arguments: 1...4, 1...5) func nodesKeepEveryRowOnce(ranks: Int, nodes: Int) {
    for whole in [false, true] {
      let partition = Partition(table, ranks: ranks, nodes: nodes) { whole && $0.role == .matrix ? .whole : .rows }
      var loads = Array(repeating: 0, count: ranks * nodes)
      for block in table.blockIDs {
        var keepers = Array(repeating: 0, count: table[block].count)
        for rank in 0..<ranks {
          let owned = partition.pieces(of: block, rank: rank)
          // As few and as long as they can be.
          #expect(Set(owned.map(\.parameter.name)).count == owned.count)
          for node in 0..<nodes {
            let kept = partition.pieces(of: block, rank: rank, node: node)
            for i in kept.flatMap(\.range) { keepers[i] += 1 }
            loads[rank * nodes + node] += kept.reduce(0) { $0 + $1.range.count }
            #expect(
              kept.allSatisfy { piece in
                owned.contains { $0.range.lowerBound <= piece.range.lowerBound && piece.range.upperBound <= $0.range.upperBound }
              })
          }
        }
        for parameter in table[block].parameters {
          #expect(keepers[parameter.offset..<parameter.offset + parameter.count].allSatisfy { $0 == 1 })
        }
      }
      if !whole { #expect(loads.max()! - loads.min()! < 25_000, "\(loads)") }
    }
  }

  @Test func workIsSpreadEvenly() {
    for ranks in 2...8 {
      let partition = Partition(table, ranks: ranks)
      let loads = (0..<ranks).map { rank in
        table.blockIDs.reduce(0) { $0 + partition.pieces(of: $1, rank: rank).reduce(0) { $0 + $1.range.count } }
      }
      // A cut lies within a run of whole rows of where equal parts would have it: here 80 kB at most, in the last block.
      #expect(loads.max()! - loads.min()! < 25_000, "\(loads)")
    }
  }

  @Test func wholeMatricesStayWhole() {
    let partition = Partition(table, ranks: 3) { $0.role == .matrix ? .whole : .rows }
    var loads = [0, 0, 0]
    for rank in 0..<3 {
      for block in table.blockIDs {
        for piece in partition.pieces(of: block, rank: rank) where piece.parameter.role == .matrix {
          #expect(piece.rows == 0..<piece.parameter.rows)
          loads[rank] += piece.parameter.count
        }
      }
    }
    // The largest alone on its rank, the others shared by two.
    #expect(loads.reduce(0, +) == table.parameters.filter { $0.role == .matrix }.reduce(0) { $0 + $1.count })
    #expect(loads.max() == 192_000)
  }
}

@Suite struct GradientRingTests {
  @Test(arguments: [1, 3, 4, 100], [1, 2, 5]) func placesAreFreeWhenTheirPredecessorIs(blocks: Int, rounds: Int) {
    let ring = GradientRing(table, blocks: blocks)
    #expect(ring.order == table.blockIDs.reversed())
    let places = ring.places(rounds: rounds)
    #expect(places.count == rounds * table.blocks.count)
    for (sequence, place) in places.enumerated() {
      let block = ring.order[sequence % ring.order.count]
      #expect(place.range.count == table[block].count)
      #expect(place.range.lowerBound >= 0 && place.range.upperBound <= ring.floatCount)
      // By brute force: the last earlier block on the same floats. What was on them before that, it has waited for itself.
      let overlapping = (0..<sequence).last { places[$0].range.overlaps(place.range) }
      #expect(place.predecessor == overlapping)
    }
    // Any three blocks in a row lie side by side or one after the other, never on each other, unless the ring starts again.
    if blocks >= table.blocks.count {
      #expect(ring.floatCount == table.floatCount)
      #expect(
        places.enumerated().allSatisfy {
          $0.offset < table.blocks.count || $0.element.predecessor == $0.offset - table.blocks.count
        })
    }
  }
}
