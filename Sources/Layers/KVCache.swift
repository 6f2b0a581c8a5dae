import Kernels
import Memory

/// The KV cache of one attention layer, for cached steps. Rows come in groups that share a prefix, one after the other.
package struct KVCache<Element: Scalar> {
  /// Positions of a prefix.
  package let prefix: Int
  /// Rows of each group.
  package let groups: [Range<Int>]
  /// Positions after the prefix that each of them attends to, in ascending order.
  package let visible: [[Int]]
  /// Positions after the prefix that are cached for a row: position p is at p mod `window`.
  package let window: Int
  let prefixKeys: MatrixView<Element>  // [groups · prefix, d]
  /// Transposed, so that sums over the prefix run along rows.
  let prefixValues: MatrixView<Element>  // [groups · d, prefix]
  let keys, values: MatrixView<Element>  // [rows · window, d]

  /// - Parameters:
  ///   - groups: rows of each group.
  ///   - visible: see `AttentionPattern.visible(after:)`.
  package init(groups counts: [Int], prefix: Int, visible: [[Int]], width d: Int, in space: inout Space) {
    (self.prefix, self.visible) = (prefix, visible)
    var rows = 0
    groups = counts.map { count in
      defer { rows += count }
      return rows..<rows + count
    }
    // The oldest position that a later one needs is as far back as any.
    window = visible.indices.reduce(1) { max($0, $1 - (visible[$1].first ?? $1) + 1) }
    prefixKeys = space.matrix(rows: counts.count * prefix, columns: d, of: Element.self)
    prefixValues = space.matrix(rows: counts.count * d, columns: prefix, of: Element.self)
    keys = space.matrix(rows: rows * window, columns: d, of: Element.self)
    values = space.matrix(rows: rows * window, columns: d, of: Element.self)
  }
}
