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
  /// Of each group and head, packed for the GEMMs of a step: queries · keys, and weights · values.
  let prefixKeys: [[PackedMatrix<Element>]]  // [d / heads, prefix]
  let prefixValues: [[PackedMatrix<Element>]]  // [prefix, d / heads]
  let keys, values: MatrixView<Element>  // [rows · window, d]

  /// - Parameters:
  ///   - groups: rows of each group.
  ///   - visible: see `AttentionPattern.visible(after:)`.
  package init(groups counts: [Int], prefix: Int, visible: [[Int]], width d: Int, heads: Int, in space: inout Space) {
    (self.prefix, self.visible) = (prefix, visible)
    var rows = 0
    groups = counts.map { count in
      defer { rows += count }
      return rows..<rows + count
    }
    // The oldest position that a later one needs is as far back as any.
    window = visible.indices.reduce(1) { max($0, $1 - (visible[$1].first ?? $1) + 1) }
    func packed(_ rows: Int, _ columns: Int) -> [[PackedMatrix<Element>]] {
      counts.map { _ in (0..<heads).map { _ in PackedMatrix(rows: rows, columns: columns, in: &space) } }
    }
    prefixKeys = packed(d / heads, prefix)
    prefixValues = packed(prefix, d / heads)
    keys = space.matrix(rows: rows * window, columns: d, of: Element.self)
    values = space.matrix(rows: rows * window, columns: d, of: Element.self)
  }

  /// Takes the keys and values of a group's prefix, `[prefix, d]`, heads side by side.
  func setPrefix(of group: Int, keys: MatrixView<Element>, values: MatrixView<Element>) {
    for head in prefixKeys[group].indices {
      let size = prefixKeys[group][head].rows
      let columns = head * size..<(head + 1) * size
      prefixKeys[group][head].pack(keys.columns(columns), transposed: true)
      prefixValues[group][head].pack(values.columns(columns), transposed: false)
    }
  }
}
