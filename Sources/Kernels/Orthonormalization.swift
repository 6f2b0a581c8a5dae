import Memory

#if canImport(Glibc)
  import Glibc
#endif

/// Replaces the rows of `a`, `[r, m]` with r <= m, by orthonormal ones whose span contains theirs (Householder's reflections).
///
/// A row that depends on those before it becomes some vector that is orthogonal to them. Each row is computed by the same operations in
/// the same order whatever the number of threads, by code of this module alone: unlike LAPACK's, the bits are the same on all CPUs
/// that run the same build, which ranks that do the same work need.
public func orthonormalizeRows(_ a: Matrix) {
  let (r, m) = (a.rows, a.columns)
  precondition(r <= m && a.isDense, "\(r) orthonormal rows of \(m) numbers")
  let span = KernelClock.begin(.orthonormalization)
  defer { KernelClock.end(span) }
  withUnsafeTemporaryAllocation(of: Float.self, capacity: r) { factors in
    let reflections = Reflections(rows: a, factors: factors.baseAddress!)
    // a = L · H[r-1] … H[0], with L lower triangular.
    for first in stride(from: 0, to: r, by: Reflections.panel) {
      let panel = first..<min(first + Reflections.panel, r)
      for k in panel {
        for j in first..<k { reflections.apply(j, to: a.row(k)) }
        reflections.make(k)
      }
      reflections.apply(panel, toRowsFrom: panel.upperBound, reversed: false)
    }
    // Row k of the result is H[0] … H[k] e_k.
    for first in stride(from: (r - 1) / Reflections.panel * Reflections.panel, through: 0, by: -Reflections.panel) {
      let panel = first..<min(first + Reflections.panel, r)
      reflections.apply(panel, toRowsFrom: panel.upperBound, reversed: true)
      for k in panel.reversed() {
        for row in k + 1..<panel.upperBound { reflections.apply(k, to: a.row(row)) }
        reflections.expand(k)
      }
    }
  }
}

/// Reflections H[k] = I - factor · v vᵀ, whose vectors lie in a matrix' rows: v is 0 before number k, 1 there, and row k's numbers
/// after it.
private struct Reflections: @unchecked Sendable {
  // Safe to share: threads read the panel's rows and write other rows, each its own.
  let rows: Matrix
  let factors: UnsafeMutablePointer<Float>

  /// Reflections that are applied to a row one after the other, while it is in the first cache and they are in the second.
  static let panel = 32

  /// Makes H[k], which takes row k from number k on to a multiple of e_k.
  func make(_ k: Int) {
    let row = rows.row(k)
    let tail = row[k + 1..<row.count]
    let alpha = Double(row[k])
    let squares = sumOfSquares(tail)
    let norm = (alpha * alpha + squares).squareRoot()
    // Below, 1 / norm has no place in fp32; there is nothing to reflect.
    guard squares > 0, norm > 1e-30 else {
      factors[k] = 0
      return
    }
    let beta = alpha > 0 ? -norm : norm
    factors[k] = Float((beta - alpha) / beta)
    scaled(tail, by: Float(1 / (alpha - beta)), into: tail)
  }

  func apply(_ k: Int, to row: Vector) {
    if factors[k] == 0 { return }
    let (v, tail) = (rows.row(k)[k + 1..<row.count], row[k + 1..<row.count])
    let w = factors[k] * (row[k] + dot(v, tail))
    row[k] -= w
    let negative = Lanes(repeating: -w)
    forEachRun(v.count) { i, count in
      let x = Lanes.load(v.base + i, first: count, fill: 0)
      Lanes.load(tail.base + i, first: count, fill: 0).addingProduct(x, negative).store(tail.base + i, first: count)
    }
  }

  /// Applies a panel's reflections to all rows from `start` on.
  func apply(_ panel: Range<Int>, toRowsFrom start: Int, reversed: Bool) {
    let body = { (part: Range<Int>) in
      for row in part {
        if reversed {
          for k in panel.reversed() { apply(k, to: rows.row(start + row)) }
        } else {
          for k in panel { apply(k, to: rows.row(start + row)) }
        }
      }
    }
    let count = rows.rows - start
    // Threads are worth their start, some microseconds, from about 50 of work on.
    if count * panel.count * rows.columns < 1 << 18 { body(0..<count) } else { forEachPart(of: count, body) }
  }

  /// Replaces row k by H[k] e_k.
  func expand(_ k: Int) {
    let row = rows.row(k)
    row[0..<k].fill(0)
    row[k] = 1 - factors[k]
    let tail = row[k + 1..<row.count]
    scaled(tail, by: -factors[k], into: tail)
  }
}
