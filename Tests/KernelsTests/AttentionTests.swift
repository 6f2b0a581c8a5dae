import Foundation
import Memory
import Random
import TestSupport
import Testing

@testable import Kernels

/// Figure 11 of the paper: distances i - j that a query far from the border may see, on a grid 4 wide, kernel 3.
@Test func masksAreThoseOfFigure11() {
  func distances(_ kind: AttentionKind) -> [Int] {
    (0..<16).filter { AttentionPattern.allows(kind, query: 15, key: 15 - $0, grid: 4, kernel: 3) }
  }
  #expect(distances(.row) == [0, 1, 2, 3, 4])
  #expect(distances(.column) == [0, 4, 8, 12])
  #expect(distances(.convolutional) == [0, 1, 3, 4, 5, 7])
  #expect(distances(.full) == Array(0..<16))
  #expect(!AttentionPattern.allows(.full, query: 3, key: 4, grid: 4, kernel: 3))
  // 66 distances at the published size.
  let published = (0..<1024).filter {
    AttentionPattern.allows(.convolutional, query: 1023, key: 1023 - $0, grid: 32, kernel: 11)
  }
  #expect(published.count == 66)
}

@Test func layersFollowThePublishedOrder() {
  let kinds = (0..<64).map { AttentionKind.ofLayer($0, of: 64) }
  #expect(kinds.prefix(4) == [.row, .column, .row, .row])
  #expect(kinds.count { $0 == .row } == 47)
  #expect(kinds.count { $0 == .column } == 16)
  #expect(kinds[63] == .convolutional)
}

/// Blocks cover every allowed pair once and no other; at the published size little more is computed than is allowed.
@Test(arguments: AttentionKind.allCases, [2, 3, 5, 8, 16, 32]) func blocksCoverTheMask(kind: AttentionKind, grid: Int) {
  let pattern = AttentionPattern(kind, textLength: 4, grid: grid, kernel: 5)
  var seen = Set<[Int]>()
  var computed = 0
  for block in pattern.blocks {
    computed += block.queries.count * block.keys.count
    for q in 0..<block.queries.count {
      for k in 0..<block.keys.count where block.mask[q * block.keys.count + k] == 0 {
        let pair = [block.queries.start + q * block.queries.stride, block.keys.start + k * block.keys.stride]
        #expect(seen.insert(pair).inserted)
      }
    }
  }
  let allowed = pattern.visible(after: 4).reduce(0) { $0 + $1.count }
  #expect(seen.count == allowed)
  #expect(seen.allSatisfy { AttentionPattern.allows(kind, query: $0[0], key: $0[1], grid: grid, kernel: 5) })
  if grid == 32 && kind != .full { #expect(computed < grid * grid * grid * grid / 5) }
}

/// The definition of every shape.
private func isAllowed(_ shape: AttentionPattern.Shape, query q: Int, key k: Int) -> Bool {
  switch shape {
  case .causal: k <= q
  case .bidirectional: true
  case .image(let kind, let text, let grid, let kernel):
    q < text
      ? k <= q : k < text || AttentionPattern.allows(kind, query: q - text, key: k - text, grid: grid, kernel: kernel)
  }
}

/// Dense attention in Double by the definition, for one sample: outputs of all heads.
private func dense(_ qkv: [Double], pattern: AttentionPattern, heads: Int, size: Int) -> [Double] {
  let n = pattern.length
  let width = heads * size
  var output = [Double](repeating: 0, count: n * width)
  for head in 0..<heads {
    for q in 0..<n {
      var scores: [(key: Int, value: Double)] = []
      for k in 0..<n {
        let allowed = isAllowed(pattern.shape, query: q, key: k)
        guard allowed else { continue }
        var dot = 0.0
        for i in 0..<size {
          dot += qkv[q * 3 * width + head * size + i] * qkv[k * 3 * width + width + head * size + i]
        }
        scores.append((k, dot / Double(size).squareRoot()))
      }
      let top = scores.map(\.value).max()!
      let sum = scores.reduce(0) { $0 + exp($1.value - top) }
      for (key, value) in scores {
        for i in 0..<size {
          output[q * width + head * size + i] +=
            exp(value - top) / sum * qkv[key * 3 * width + 2 * width + head * size + i]
        }
      }
    }
  }
  return output
}

@Test(arguments: AttentionKind.allCases, [(3, 4), (70, 5), (1, 16)])
func attentionMatchesBruteForce(kind: AttentionKind, shape: (text: Int, grid: Int)) {
  expectAttention(.image(kind, textLength: shape.text, grid: shape.grid, kernel: 3))
}

/// Lengths around a run of queries and off the width of vectors.
@Test(arguments: [1, 7, 16, 63, 64, 77, 130]) func attentionWithoutImageMatchesBruteForce(length: Int) {
  // Every row is dense here: more rounded terms cancel in bf16 than in the sparse patterns.
  expectAttention(.causal(length: length), bf16Gradient: 5e-2)
  expectAttention(.bidirectional(length: length), bf16Gradient: 5e-2)
}

@Test(arguments: [1, 5, 70]) func patternsCountTheirPairs(length: Int) {
  for shape: AttentionPattern.Shape in [
    .causal(length: length), .bidirectional(length: length), .image(.row, textLength: length, grid: 3, kernel: 3),
  ] {
    let pattern = AttentionPattern(shape)
    var pairs = 0
    for q in 0..<pattern.length {
      for k in 0..<pattern.length {
        #expect(pattern.allows(query: q, key: k) == isAllowed(shape, query: q, key: k))
        if isAllowed(shape, query: q, key: k) { pairs += 1 }
      }
    }
    #expect(pattern.pairCount == pairs)
  }
}

private func expectAttention(_ shape: AttentionPattern.Shape, bf16Gradient: Double = 2e-2) {
  expectAttention(Float.self, shape, output: 3e-6, gradient: 1e-4)
  // bf16 rounds weights, values' sums and gradients to 8 bits.
  if Precision.bf16.isSupported { expectAttention(BFloat16.self, shape, output: 2e-2, gradient: bf16Gradient) }
}

/// - Parameter gradient: of the directional derivative, relative to itself or to the size of one term.
private func expectAttention<Element: Scalar>(
  _: Element.Type, _ shape: AttentionPattern.Shape, output tolerance: Float, gradient: Double
) {
  let heads = 2
  let size = 8
  let width = heads * size
  let samples = 2
  let pattern = AttentionPattern(shape)
  let n = samples * pattern.length
  let qkv = kept(normalNumbers(n * 3 * width, stream: 2).map { Element($0) })
  let dOutput = kept(normalNumbers(n * width, stream: 3).map { Element($0) })
  let output = Buffer<Element>(count: n * width)
  let dQKV = kept([Element](repeating: Element(.nan), count: n * 3 * width))  // overwritten
  let sums = kept(count: heads * n)
  let (arena, scratch) = Arena.layOut { AttentionScratch<Element>(&$0, patterns: [pattern], headSize: size) }
  withExtendedLifetime((arena, qkv, dOutput, output, dQKV)) {
    let input = qkv.vector.matrix(rows: n, columns: 3 * width)
    pattern.forward(
      input, heads: heads, into: output.vector.matrix(rows: n, columns: width), logSums: sums.vector, scratch: scratch)
    pattern.backward(
      dOutput.vector.matrix(rows: n, columns: width), input, output: output.vector.matrix(rows: n, columns: width),
      logSums: sums.vector, heads: heads, into: dQKV.vector.matrix(rows: n, columns: 3 * width), scratch: scratch)
  }

  let per = pattern.length * 3 * width
  for sample in 0..<samples {
    let values = qkv.array[sample * per..<(sample + 1) * per].map { Double($0.float) }
    let expected = dense(values, pattern: pattern, heads: heads, size: size)
    let range = sample * pattern.length * width..<(sample + 1) * pattern.length * width
    expectClose(output.array[range].map(\.float), expected.map(Float.init), absolute: tolerance, "output")

    // Directional derivative by central differences in Double, along random directions: error about h² = 1e-10.
    let upstream = dOutput.array[range].map { Double($0.float) }
    for trial in 0..<4 {
      var direction = RandomStream(seed: 3, stream: UInt64(trial))
      let along = values.map { _ in Double(direction.uniform()) - 0.5 }
      func loss(_ h: Double) -> Double {
        let moved = zip(values, along).map { $0 + h * $1 }
        return zip(dense(moved, pattern: pattern, heads: heads, size: size), upstream).reduce(0) { $0 + $1.0 * $1.1 }
      }
      let numeric = (loss(1e-5) - loss(-1e-5)) / 2e-5
      let analytic = zip(dQKV.array[sample * per..<(sample + 1) * per], along).reduce(0) { $0 + Double($1.0.float) * $1.1 }
      #expect(abs(numeric - analytic) < gradient * max(1, abs(numeric)), "direction \(trial): \(analytic), expected \(numeric)")
    }
  }
}
