import Images
import Random
import Testing

/// An image whose red is the column and whose green is the row.
private func coordinates(_ width: Int, _ height: Int) -> Image {
  var image = Image(width: width, height: height, (0, 0, 0))
  for y in 0..<height {
    for x in 0..<width { (image.pixels[(y * width + x) * 3], image.pixels[(y * width + x) * 3 + 1]) = (UInt8(x), UInt8(y)) }
  }
  return image
}

@Suite struct CropTests {
  /// Against a fine grid of samples: each target pixel is cut into 60 x 60 points, each taking the source pixel below it.
  @Test(arguments: [(10, 7, 5, 3), (9, 9, 6, 4), (12, 8, 12, 2)])
  func shrinkingAveragesAreas(width: Int, height: Int, newWidth: Int, newHeight: Int) {
    var random = RandomStream(seed: 5, stream: 1)
    var image = Image(width: width, height: height, (0, 0, 0))
    for index in image.pixels.indices { image.pixels[index] = UInt8(random.integer(in: 0..<256)) }
    let small = image.resized(width: newWidth, height: newHeight)
    let points = 60
    for y in 0..<newHeight {
      for x in 0..<newWidth {
        for band in 0..<3 {
          var sum = 0
          for j in 0..<points {
            for i in 0..<points {
              let sourceX = ((2 * (x * points + i) + 1) * width) / (2 * points * newWidth)
              let sourceY = ((2 * (y * points + j) + 1) * height) / (2 * points * newHeight)
              sum += Int(image.pixels[(sourceY * width + sourceX) * 3 + band])
            }
          }
          let expected = Double(sum) / Double(points * points)
          // Half a step of rounding; the points miss the borders of areas by at most 1/60 of a pixel each way.
          #expect(abs(Double(small.pixels[(y * newWidth + x) * 3 + band]) - expected) <= 0.5 + 255.0 / 60)
        }
      }
    }
  }

  @Test func growingInterpolates() {
    let image = Image(width: 2, height: 1, pixels: [0, 0, 0, 200, 100, 40])
    // Centers of the target pixels lie at -0.25, 0.25, 0.75, 1.25 source pixels from the first center.
    #expect(image.resized(width: 4, height: 1).pixels == [0, 0, 0, 50, 25, 10, 150, 75, 30, 200, 100, 40])
    #expect(Image(width: 1, height: 1, (9, 8, 7)).resized(width: 3, height: 2) == Image(width: 3, height: 2, (9, 8, 7)))
  }

  @Test func dVAECropsStayInTheSquareAndMirror() {
    let image = coordinates(200, 120)
    var mirrored = 0
    var lefts: Set<UInt8> = []
    for seed in 0..<200 {
      var random = RandomStream(seed: UInt64(seed), stream: 0)
      let crop = image.dvaeCrop(64, using: &random)
      #expect(crop.width == 64 && crop.height == 64)
      let (first, last) = (Int(crop.pixels[0]), Int(crop.pixels[63 * 3]))
      if first > last { mirrored += 1 }
      lefts.insert(UInt8(min(first, last)))
      // 64 of between 72 and 96 pixels of a side of 120: between 80 and 107 columns.
      #expect((76...108).contains(abs(first - last)), "\(first) \(last)")
    }
    #expect((70...130).contains(mirrored))  // 100 expected, standard deviation 7
    #expect(lefts.count > 40)
  }

  @Test func transformerCropsStayNearTheMiddle() {
    let image = coordinates(248, 120)
    for seed in 0..<200 {
      var random = RandomStream(seed: UInt64(seed), stream: 0)
      let crop = image.transformerCrop(64, using: &random)
      #expect(crop.width == 64 && crop.height == 64)
      let (first, last) = (Int(crop.pixels[0]), Int(crop.pixels[63 * 3]))
      // Squares start at 3/8 to 5/8 of the 128 spare columns, and hold 120; the part is 64 of 64 to 72 pixels of them.
      #expect(first < last && first >= 48 && last <= 80 + 120)
      #expect(last - first >= 104)
    }
  }

  @Test func everyCropTakesSmallAndOddImages() {
    for (width, height) in [(1, 1), (5, 40), (64, 64), (65, 64), (70, 300), (33, 32)] {
      var random = RandomStream(seed: 1, stream: 2)
      let image = coordinates(width, height % 256)
      for crop in [
        image.dvaeCrop(64, using: &random), image.transformerCrop(64, using: &random), image.centerCrop(64),
      ] {
        #expect(crop.width == 64 && crop.height == 64)
      }
    }
    #expect(coordinates(64, 64).centerCrop(64) == coordinates(64, 64))
  }

  @Test func gridsHoldEveryImageUnchanged() throws {
    let image = coordinates(80, 80)
    let grid = try ImageGrid.compose(
      [
        .init(caption: "a caption that is longer than its image is wide & <odd>", images: [image, image.mirrored()]),
        .init(caption: "", images: [image]),
      ])
    // Enlarged twice (80 to 160 pixels), below the caption and the margin: look for the first row of the image.
    let row = image.enlarged(by: 2).pixels.prefix(160 * 3)
    let starts = stride(from: 0, to: grid.pixels.count - row.count, by: 3).filter {
      grid.pixels[$0 + 477] == 79 && Array(grid.pixels[$0..<$0 + row.count]) == Array(row)
    }
    // Two rows of pixels each for the two images that are not mirrored.
    #expect(starts.count == 4)
  }
}
