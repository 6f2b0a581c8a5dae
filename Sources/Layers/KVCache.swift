import Kernels
import Memory

/// The keys and values that one attention layer keeps for cached steps. Rows come in groups that share a prefix: `rowsPerGroup`
/// rows for the first prefix, then as many for the next.
public struct KVCache<Element: Scalar> {
  /// Positions of a prefix.
  public let prefix: Int
  public let rowsPerGroup: Int
  /// Positions after the prefix that each of them attends to, in ascending order.
  public let visible: [[Int]]
  /// Positions after the prefix that are kept for a row: position p lies at p mod `window`.
  public let window: Int
  let prefixKeys: MatrixView<Element>  // [groups · prefix, d]
  /// Transposed, so that sums over the prefix run along rows.
  let prefixValues: MatrixView<Element>  // [groups · d, prefix]
  let keys, values: MatrixView<Element>  // [groups · rowsPerGroup · window, d]

  /// - Parameter visible: see `AttentionPattern.visible(after:)`.
  public init(groups: Int, rowsPerGroup: Int, prefix: Int, visible: [[Int]], width d: Int, in space: inout Space) {
    (self.prefix, self.rowsPerGroup, self.visible) = (prefix, rowsPerGroup, visible)
    // The oldest position that a later one needs is as far back as any.
    window = visible.indices.reduce(1) { max($0, $1 - (visible[$1].first ?? $1) + 1) }
    prefixKeys = space.matrix(rows: groups * prefix, columns: d, of: Element.self)
    prefixValues = space.matrix(rows: groups * d, columns: prefix, of: Element.self)
    keys = space.matrix(rows: groups * rowsPerGroup * window, columns: d, of: Element.self)
    values = space.matrix(rows: groups * rowsPerGroup * window, columns: d, of: Element.self)
  }
}
