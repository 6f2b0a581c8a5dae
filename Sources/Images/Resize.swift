/// Weights by which the pixels of one axis make up those of another size.
private struct Taps {
  /// For each target pixel: the first source pixel, and the weight of it and those after it.
  let taps: [(first: Int, weights: [Float])]

  /// Smaller: every target pixel is the mean of the area that it covers (OpenCV's INTER_AREA, which the paper's listings
  /// name). Larger: linear interpolation between pixel centres.
  init(from source: Int, to target: Int) {
    let scale = Double(source) / Double(target)
    taps = (0..<target).map { pixel in
      if target <= source {
        let (start, end) = (Double(pixel) * scale, Double(pixel + 1) * scale)
        let first = Int(start)
        let last = min(source - 1, Int((end - 1e-9).rounded(.down)))
        let weights = (first...last).map { Float((min(end, Double($0 + 1)) - max(start, Double($0))) / scale) }
        return (first, weights)
      }
      let centre = min(max((Double(pixel) + 0.5) * scale - 0.5, 0), Double(source - 1))
      let first = min(Int(centre), max(0, source - 2))
      let share = Float(centre - Double(first))
      return source == 1 ? (0, [1]) : (first, [1 - share, share])
    }
  }
}

extension Picture {
  /// The picture at another size: area averaging where it shrinks, linear interpolation where it grows.
  public func resized(width: Int, height: Int) -> Picture {
    precondition(width > 0 && height > 0, "a picture of \(width) x \(height)")
    if width == self.width && height == self.height { return self }
    let horizontal = Taps(from: self.width, to: width).taps
    let vertical = Taps(from: self.height, to: height).taps
    // Source rows, each shrunk to the new width when it is first needed.
    var rows: [Int: [Float]] = [:]
    var result: [UInt8] = []
    result.reserveCapacity(width * height * 3)
    var sum = [Float](repeating: 0, count: width * 3)
    for (first, weights) in vertical {
      for index in sum.indices { sum[index] = 0 }
      for (offset, weight) in weights.enumerated() {
        let row = rows[first + offset] ?? resizedRow(first + offset, horizontal)
        rows[first + offset] = row
        for index in sum.indices { sum[index] += weight * row[index] }
      }
      for value in sum { result.append(UInt8(min(255, max(0, value.rounded())))) }
      rows = rows.filter { $0.key >= first }
    }
    return Picture(width: width, height: height, pixels: result)
  }

  private func resizedRow(_ y: Int, _ taps: [(first: Int, weights: [Float])]) -> [Float] {
    var row: [Float] = []
    row.reserveCapacity(taps.count * 3)
    for (first, weights) in taps {
      var (red, green, blue): (Float, Float, Float) = (0, 0, 0)
      var at = (y * width + first) * 3
      for weight in weights {
        red += weight * Float(pixels[at])
        green += weight * Float(pixels[at + 1])
        blue += weight * Float(pixels[at + 2])
        at += 3
      }
      row.append(red)
      row.append(green)
      row.append(blue)
    }
    return row
  }
}
