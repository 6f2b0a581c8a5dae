/// A canvas of dots, of which a character has several: 2 x 4 in braille, 1 x 2 in ASCII.
struct DotGrid {
  let width: Int
  let height: Int
  private let isUnicode: Bool
  private var dots: [Bool]

  /// - Parameters:
  ///   - columns: characters of a row.
  init(columns: Int, rows: Int, isUnicode: Bool) {
    self.isUnicode = isUnicode
    (width, height) = (columns * (isUnicode ? 2 : 1), rows * (isUnicode ? 4 : 2))
    dots = Array(repeating: false, count: width * height)
  }

  subscript(x: Int, y: Int) -> Bool {
    get { dots[y * width + x] }
    set { dots[y * width + x] = newValue }
  }

  /// A line from one dot to another, which is not to the left of it.
  mutating func line(from a: (x: Int, y: Int), to b: (x: Int, y: Int)) {
    let steps = max(b.x - a.x, abs(b.y - a.y), 1)
    for step in 0...steps { self[a.x + (b.x - a.x) * step / steps, a.y + (b.y - a.y) * step / steps] = true }
  }

  /// The rows as text, the topmost first.
  var rows: [String] {
    let (dotColumns, dotRows) = isUnicode ? (2, 4) : (1, 2)
    return stride(from: 0, to: height, by: dotRows).map { top in
      stride(from: 0, to: width, by: dotColumns).map { left in
        isUnicode ? braille(left, top) : ascii(left, top)
      }.joined()
    }
  }

  private func braille(_ left: Int, _ top: Int) -> String {
    // Bits of the pattern, down the left column and then the right one.
    let bits: [[UInt32]] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]]
    var pattern: UInt32 = 0
    for x in 0..<2 { for y in 0..<4 where self[left + x, top + y] { pattern |= bits[x][y] } }
    return pattern == 0 ? " " : String(Unicode.Scalar(0x2800 + pattern)!)
  }

  private func ascii(_ left: Int, _ top: Int) -> String {
    switch (self[left, top], self[left, top + 1]) {
    case (true, true): ":"
    case (true, false): "'"
    case (false, true): "."
    case (false, false): " "
    }
  }
}
