import Foundation
import Kernels
import Layers
import Memory
import Optimization
import TestSupport
import Testing

@testable import Parallel

/// A piece of a matrix whose rows are only some of the parameter's.
private func factors(rows: Int, columns: Int, rank: Int) -> LowRankFactors {
  var table = ParameterTable()
  let parameter = table.add("w", [rows + 3, columns], .matrix, .constant(0), to: table.addBlock("block"))
  return LowRankFactors(Partition.Piece(parameter: parameter, rows: 2..<rows + 2), rank: rank)
}

/// A step of PowerSGD over several nodes, as the exchange does it, without messages: what is applied, each node's errors, and Q.
///
/// - Parameter warm: Q of the step before; nil for random numbers.
private func step(
  _ f: LowRankFactors, _ gradients: [[Float]], warm: [Float]? = nil
) -> (applied: [Float], errors: [[Float]], q: [Float]) {
  let (arena, scratch) = Arena.layOut { f.layOutScratch(&$0) }
  let matrices = gradients.map { kept($0).vector }
  let random = kept(count: f.qCount).vector
  f.fillRandom(random, seed: 1)
  if let warm { random.copy(from: warm) }
  func sum(_ vectors: [Vector]) -> Vector {
    let result = kept(count: vectors[0].count).vector
    Kernels.sum(vectors, into: result, .overwrite)
    return result
  }
  let p = sum(
    matrices.map { m in
      let p = kept(count: f.pCount).vector
      f.project(m, random, into: p)
      return p
    })
  orthonormalizeRows(f.p(p))
  let ownQ = matrices.map { m in
    let q = kept(count: f.qCount).vector
    f.projectBack(m, p, into: q)
    return q
  }
  let q = sum(ownQ)
  let errors = zip(matrices, ownQ).map { m, q in
    let error = kept(count: m.count).vector
    f.subtract(p, q, from: m, into: error)
    return error.array
  }
  let applied = kept(count: f.rows * f.columns).vector
  withExtendedLifetime(arena) { f.expand(p, q, into: applied, scratch) }
  return (applied.array, errors, q.array)
}

/// The same by definition, in Double: with U an orthonormal basis (Gram-Schmidt) of the columns of M Q, the sum M of all nodes is
/// applied as U Uᵀ M. For a matrix with more rows than columns, of its transpose.
private func reference(_ f: LowRankFactors, _ gradients: [[Float]]) -> [Double] {
  let (short, long) = (min(f.rows, f.columns), max(f.rows, f.columns))
  let random = kept(count: f.qCount).vector
  f.fillRandom(random, seed: 1)
  func m(_ i: Int, _ j: Int) -> Double {
    gradients.reduce(0) { $0 + Double($1[f.isWide ? i * f.columns + j : j * f.columns + i]) }
  }
  var basis: [[Double]] = []
  for k in 0..<f.rank {
    var column = (0..<short).map { i in (0..<long).reduce(0) { $0 + m(i, $1) * Double(random[k * long + $1]) } }
    for _ in 0..<2 {
      for vector in basis {
        let dot = zip(column, vector).reduce(0) { $0 + $1.0 * $1.1 }
        column = zip(column, vector).map { $0 - dot * $1 }
      }
    }
    let length = sqrt(column.reduce(0) { $0 + $1 * $1 })
    basis.append(column.map { $0 / length })
  }
  var result = [Double](repeating: 0, count: f.rows * f.columns)
  for j in 0..<long {
    for vector in basis {
      let q = (0..<short).reduce(0) { $0 + vector[$1] * m($1, j) }
      for i in 0..<short { result[f.isWide ? i * f.columns + j : j * f.columns + i] += vector[i] * q }
    }
  }
  return result
}

@Suite struct PowerSGDTests {
  @Test(arguments: [(7, 19, 1), (19, 7, 3), (40, 40, 12), (33, 65, 33), (65, 33, 33)], [1, 3])
  func aStepIsTheProjectionOfItsDefinition(shape: (rows: Int, columns: Int, rank: Int), nodes: Int) {
    let f = factors(rows: shape.rows, columns: shape.columns, rank: shape.rank)
    let gradients = (0..<nodes).map { normalNumbers(f.rows * f.columns, stream: UInt64($0 + 1)) }
    let (applied, errors, _) = step(f, gradients)
    // Sums of 65 numbers of about 2, in fp32.
    expectClose(applied, reference(f, gradients).map(Float.init), absolute: 5e-5, "applied")
    // Nothing is lost: what is not applied is in the errors.
    let total = (0..<applied.count).map { i in gradients.reduce(0) { $0 + $1[i] } }
    let found = (0..<applied.count).map { i in errors.reduce(applied[i]) { $0 + $1[i] } }
    expectClose(found, total, absolute: 2e-5, "applied + errors")
    // At full rank everything is applied.
    if shape.rank == min(shape.rows, shape.columns) {
      expectClose(applied, total, absolute: 2e-5, "full rank")
      for error in errors { expectClose(error, error.map { _ in 0 }, absolute: 2e-5, "errors of full rank") }
    }
  }

  /// What is left out comes later: in the mean over many steps, a gradient beneath the noise of batches is applied whole. From a warm
  /// start that takes no noise. With the same random Q in all steps it does: errors are orthogonal to that Q, so that they do not
  /// decide which columns are sent.
  @Test(arguments: [(false, Float(3)), (true, 3), (true, 0)])
  func errorFeedbackAppliesEverythingInTheEnd(isWarm: Bool, noise: Float) {
    let f = factors(rows: 24, columns: 40, rank: 6)
    let gradient = normalNumbers(f.rows * f.columns, stream: 5)
    var (error, given, applied) = (gradient.map { _ in Float(0) }, gradient.map { _ in Float(0) }, gradient.map { _ in Float(0) })
    var warm: [Float]?
    for number in 0..<400 {
      let batch = zip(gradient, normalNumbers(gradient.count, stream: UInt64(100 + number), deviation: noise)).map(+)
      let result = step(f, [zip(batch, error).map(+)], warm: warm)
      error = result.errors[0]
      given = zip(given, batch).map(+)
      applied = zip(applied, result.applied).map(+)
      if isWarm { warm = result.q }
    }
    func length(_ values: [Float]) -> Float { sqrt(values.reduce(0) { $0 + $1 * $1 }) }
    let missing = length(zip(given, applied).map(-)) / length(given)
    // One step alone leaves out most.
    #expect(missing < 0.1, "\(missing) of the gradients is missing")
    #expect(length(zip(step(f, [gradient]).applied, gradient).map(-)) / length(gradient) > 0.5)
  }

  @Test func ranksFollowFromTheCompression() {
    var config = PowerSGDConfig()
    // 0.15 · 512 · 1024 / 1536 = 51.2
    #expect(config.rank(rows: 512, columns: 1024) == 51)
    #expect(config.rank(rows: 1024, columns: 512) == 51)
    // At least 1, if that saves anything.
    #expect(config.rank(rows: 3, columns: 4) == 1)
    #expect(config.rank(rows: 2, columns: 2) == nil)
    #expect(config.rank(rows: 1, columns: 1000) == nil)
    config.rank = 112
    #expect(config.rank(rows: 496, columns: 3968) == 112)
    // As many numbers as the matrix has, or more: it is sent as it is.
    #expect(config.rank(rows: 100, columns: 3968) == nil)
    #expect(config.firstStep(warmupSteps: 70) == 70)
    config.startStep = 5
    #expect(config.firstStep(warmupSteps: 70) == 5)
  }

  /// Only matrices are compressed; a node of several ranks sends the factors of each rank's rows.
  @Test func costsAreThoseOfMatrices() {
    var table = ParameterTable()
    let block = table.addBlock("block")
    _ = table.add("embedding", [1000, 64], .embedding, .constant(0), to: block)
    _ = table.add("matrix", [512, 512], .matrix, .constant(0), to: block)
    _ = table.add("bias", [512], .bias, .constant(0), to: block)
    func cost(_ format: ExchangeFormat, nodes: Int, ranksPerNode: Int = 1) -> ExchangeCost {
      ExchangeCost(ExchangeSettings(format), table, precision: .fp32, nodes: nodes, ranksPerNode: ranksPerNode)
    }
    let all = 4 * (64_000 + 512 * 512 + 512)
    #expect(cost(.fp32, nodes: 2).payload == all && cost(.fp32, nodes: 2).sent == all)
    #expect(cost(.bf16, nodes: 4).payload == all / 2 && cost(.bf16, nodes: 4).sent == all / 2 * 3 / 2)
    #expect(cost(.fp32, nodes: 1).sent == 0 && cost(.powersgd, nodes: 1).sent == 0)
    var local = ExchangeSettings(.bf16)
    local.localUpdates = 10
    let rounds = ExchangeCost(local, table, precision: .fp32, nodes: 4, ranksPerNode: 1)
    #expect(rounds.sentAtOnce == all / 2 * 3 / 2 && rounds.sent == all / 2 * 3 / 20)
    // Gradients go to those who keep the rows, and weights come back, operands in bf16.
    let spread = ExchangeCost(ExchangeSettings(.fp32, shard: .world), table, precision: .bf16, nodes: 4, ranksPerNode: 1)
    #expect(spread.sent == (all + 4 * (64_000 + 512) + 2 * 512 * 512) / 4 * 3)
    // 0.15 · 512 · 512 / 1024 = 38.4
    #expect(cost(.powersgd, nodes: 2).payload == 4 * (64_000 + 512 + 38 * 1024))
    var vectors = PowerSGDConfig()
    vectors.exempt = .vectors
    // 0.15 · 1000 · 64 / 1064 = 9.02
    #expect(
      ExchangeCost(ExchangeSettings(.powersgd, powersgd: vectors), table, precision: .fp32, nodes: 2, ranksPerNode: 1).payload
        == 4 * (9 * 1064 + 512 + 38 * 1024))
    let two = cost(.powersgd, nodes: 2, ranksPerNode: 2)
    let ranks = (0..<2).map { Partition(table, ranks: 2).pieces(of: block, rank: $0).first { $0.parameter.role == .matrix } }
    let factors = ranks.compactMap { $0 }.map { piece in
      PowerSGDConfig().rank(rows: piece.rows.count, columns: 512)! * (piece.rows.count + 512)
    }
    #expect(two.payload == 4 * (64_000 + 512 + factors.reduce(0, +)))
    #expect(two.memory > 0 && cost(.powersgd, nodes: 1).memory == 0)
  }
}
