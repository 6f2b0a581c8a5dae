/// Weights by which the pixels of one axis make up those of another size.
private struct Taps {
  /// Source pixels that make up a target pixel, at most; where they are fewer, some weights are 0.
  let count: Int
  /// The first source pixel of each target pixel.
  var first: [Int] = []
  /// `[target, count]`
  var weights: [Float] = []

  /// Smaller: every target pixel is the mean of the area that it covers (OpenCV's INTER_AREA, which the paper's listings
  /// name). Larger: linear interpolation between pixel centers.
  ///
  /// - Parameters:
  ///   - source: pixels that there are.
  ///   - area: where among them the source is; its end may lie in a pixel that was cut off, whose place the last one takes.
  ///   - part: the target pixels that are needed.
  init(from source: Int, _ area: Range<Double>, to target: Int, part: Range<Int>) {
    let origin = Int(area.lowerBound)
    let offset = area.lowerBound - Double(origin)
    let length = area.upperBound - area.lowerBound
    let available = min(source - origin, Int((offset + length).rounded(.up)))
    let scale = length / Double(target)
    let shrinks = scale >= 1
    count = min(available, shrinks ? Int(scale.rounded(.up)) + 1 : 2)
    first.reserveCapacity(part.count)
    weights.reserveCapacity(part.count * count)
    for pixel in part {
      let (start, end) = (offset + Double(pixel) * scale, offset + Double(pixel + 1) * scale)
      let center = min(max((start + end - 1) / 2, 0), Double(available - 1))
      let first = min(Int(shrinks ? start : center), available - count)
      self.first.append(origin + first)
      for pixel in first..<first + count {
        let pixelEnd = pixel == available - 1 ? max(end, Double(pixel + 1)) : Double(pixel + 1)
        let weight = shrinks ? (min(end, pixelEnd) - max(start, Double(pixel))) / scale : 1 - abs(Double(pixel) - center)
        weights.append(Float(max(0, weight)))
      }
    }
  }
}

/// A part of an image.
struct Rectangle {
  var x: Int
  var y: Int
  var width: Int
  var height: Int
}

extension Image {
  /// The image at another size: area averaging where it shrinks, linear interpolation where it grows.
  package func resized(width: Int, height: Int) -> Image {
    let target = Rectangle(x: 0, y: 0, width: width, height: height)
    return scaled(Rectangle(x: 0, y: 0, width: origin.width, height: origin.height), width: width, height: height, part: target)
  }

  /// An area of the image at another size, and of that a part; nothing else is computed.
  ///
  /// - Parameter area: in pixels of the image before a decoder reduced it, so that a crop does not depend on the reduction.
  func scaled(_ area: Rectangle, width: Int, height: Int, part: Rectangle) -> Image {
    precondition(width > 0 && height > 0, "an image of \(width) x \(height)")
    precondition(
      area.x >= 0 && area.y >= 0 && area.x + area.width <= origin.width && area.y + area.height <= origin.height,
      "\(area) of an image of \(origin.width) x \(origin.height)")
    precondition(
      part.x >= 0 && part.y >= 0 && part.x + part.width <= width && part.y + part.height <= height,
      "\(part) of \(width) x \(height)")
    if origin.reduction == 1 && width == area.width && height == area.height {
      return cropped(x: area.x + part.x, y: area.y + part.y, width: part.width, height: part.height)
    }
    func reduced(_ start: Int, _ count: Int) -> Range<Double> {
      Double(start) / Double(origin.reduction)..<Double(start + count) / Double(origin.reduction)
    }
    let across = Taps(from: self.width, reduced(area.x, area.width), to: width, part: part.x..<part.x + part.width)
    let down = Taps(from: self.height, reduced(area.y, area.height), to: height, part: part.y..<part.y + part.height)
    // Rows first: their loop is the longest, over neighbours in memory.
    let columns = across.first[0]..<across.first[part.width - 1] + across.count
    var sums = [Float](repeating: 0, count: columns.count * 3 + 1)  // one more: pixels are read four values at a time
    var row = [Float](repeating: 0, count: part.width * 3 + 1)
    let result = [UInt8](unsafeUninitializedCapacity: part.width * part.height * 3) { result, filled in
      pixels.withUnsafeBufferPointer { pixels in
        sums.withUnsafeMutableBufferPointer { sums in
          row.withUnsafeMutableBufferPointer { row in
            for y in 0..<part.height {
              for tap in 0..<down.count {
                let weight = down.weights[y * down.count + tap]
                let start = ((down.first[y] + tap) * self.width + columns.lowerBound) * 3
                let source = pixels.baseAddress! + start
                Self.accumulate(source, weight, isFirst: tap == 0, into: sums.baseAddress!, count: columns.count * 3)
              }
              Self.average(UnsafePointer(sums.baseAddress!), across, from: columns.lowerBound, into: row.baseAddress!)
              let target = result.baseAddress! + y * part.width * 3
              // 2^23 + v has v, rounded, in its lowest bits.
              for index in 0..<part.width * 3 { target[index] = UInt8(truncatingIfNeeded: (row[index] + 0x1p23).bitPattern) }
            }
          }
        }
      }
      filled = part.width * part.height * 3
    }
    return Image(width: part.width, height: part.height, pixels: result)
  }

  private static func accumulate(
    _ source: UnsafePointer<UInt8>, _ weight: Float, isFirst: Bool, into sums: UnsafeMutablePointer<Float>, count: Int
  ) {
    if isFirst {
      for index in 0..<count { sums[index] = weight * Float(source[index]) }
    } else if weight != 0 {
      for index in 0..<count { sums[index] += weight * Float(source[index]) }
    }
  }

  private static func average(_ sums: UnsafePointer<Float>, _ taps: Taps, from column: Int, into row: UnsafeMutablePointer<Float>) {
    taps.weights.withUnsafeBufferPointer { weights in
      taps.first.withUnsafeBufferPointer { first in
        for x in 0..<first.count {
          let source = UnsafeRawPointer(sums + (first[x] - column) * 3)
          var sum = SIMD4<Float>()
          for tap in 0..<taps.count {
            sum += weights[x * taps.count + tap] * (source + 12 * tap).loadUnaligned(as: SIMD4<Float>.self)
          }
          UnsafeMutableRawPointer(row + 3 * x).storeBytes(of: sum, as: SIMD4<Float>.self)
        }
      }
    }
  }
}
