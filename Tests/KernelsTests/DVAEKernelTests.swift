import Foundation
import Memory
import Random
import TestSupport
import Testing

@testable import Kernels

private func normal(_ count: Int, _ stream: UInt64, deviation: Float = 1) -> [Float] {
  normalNumbers(count, seed: 13, stream: stream, deviation: deviation)
}

/// The gradient of a scalar function by central differences in Double with step 1e-5: truncation about 1e-10, rounding
/// about 1e-11 of the function's size.
private func slopes(_ point: [Double], _ f: ([Double]) -> Double) -> [Float] {
  point.indices.map { index in
    var (low, high) = (point, point)
    low[index] -= 1e-5
    high[index] += 1e-5
    return Float((f(high) - f(low)) / 2e-5)
  }
}

@Test(arguments: [1, 15, 16, 17, 100]) func rectifierForwardAndBackward(count: Int) {
  func check<Element: Scalar>(_: Element.Type) {
    func rounded(_ values: [Float]) -> [Float] { values.map { Element($0).float } }
    let x = kept(normal(count, 1))
    x[0] = 0
    let (y, dy, dx) = (
      kept([Element](repeating: Element(7), count: count)), kept(normal(count, 2).map { Element($0) }), kept(normal(count, 3))
    )
    rectify(x.vector, into: y.vector)
    #expect(y.array.map(\.float) == rounded(x.array.map { max(0, $0) }))
    let added = zip(dx.array, zip(dy.array, x.array)).map { $0 + ($1.1 > 0 ? $1.0.float : 0) }
    rectifyBackwardAdd(dy.vector, rectified: y.vector, into: dx.vector)
    #expect(dx.array == added)
    let masked = zip(dy.array, x.array).map { $1 > 0 ? $0.float : 0 }
    let stream = kept(dy.array.map(\.float))
    rectifyBackward(stream.vector, rectified: y.vector)
    #expect(stream.array == masked)
    rectifyBackward(dy.vector, rectified: y.vector)
    #expect(dy.array.map(\.float) == masked)
  }
  check(Float.self)
  check(BFloat16.self)
}

private func images<Element>(_ buffer: Buffer<Element>, _ samples: Int, _ height: Int, _ width: Int) -> FeatureMaps<Element> {
  FeatureMaps(
    buffer.vector, samples: samples, height: height, width: width, channels: buffer.count / (samples * height * width))
}

@Test(arguments: [1, 8, 16, 24]) func maxPoolTakesTheFirstLargest(channels: Int) {
  let (samples, height, width) = (2, 3, 2)
  // Few different values, so that there are ties.
  let x = kept(normal(samples * 4 * height * width * channels, 4).map { ($0 * 1.5).rounded() })
  let (y, dy) = (kept(count: x.count / 4), kept(normal(x.count / 4, 5)))
  maxPool(images(x, samples, 2 * height, 2 * width), into: images(y, samples, height, width))
  var expected = [Float](repeating: 0, count: y.count)
  var gradient = [Float](repeating: 0, count: x.count)
  for n in 0..<samples {
    for row in 0..<height {
      for column in 0..<width {
        for c in 0..<channels {
          let places = [(0, 0), (0, 1), (1, 0), (1, 1)].map {
            ((n * 2 * height + 2 * row + $0.0) * 2 * width + 2 * column + $0.1) * channels + c
          }
          let output = ((n * height + row) * width + column) * channels + c
          let largest = places.map { x[$0] }.max()!
          expected[output] = largest
          gradient[places.first { x[$0] == largest }!] = dy[output]
        }
      }
    }
  }
  #expect(y.array == expected)
  maxPoolBackward(images(dy, samples, height, width), images(x, samples, 2 * height, 2 * width))
  #expect(x.array == gradient)
}

@Test(arguments: [1, 16, 20]) func upsamplingRepeatsAndItsGradientSums(channels: Int) {
  let (samples, height, width) = (2, 2, 3)
  let x = kept(normal(samples * height * width * channels, 6))
  let y = kept(count: 4 * x.count)
  upsample(images(x, samples, height, width), into: images(y, samples, 2 * height, 2 * width))
  let dy = kept(normal(y.count, 7))
  let dx = kept(count: x.count)
  var expected = [Float](repeating: 0, count: x.count)
  for n in 0..<samples {
    for row in 0..<2 * height {
      for column in 0..<2 * width {
        for c in 0..<channels {
          let input = ((n * height + row / 2) * width + column / 2) * channels + c
          let output = ((n * 2 * height + row) * 2 * width + column) * channels + c
          #expect(y[output] == x[input])
          expected[input] += dy[output]
        }
      }
    }
  }
  upsampleBackward(images(dy, samples, 2 * height, 2 * width), into: images(dx, samples, height, width))
  // Four terms of unit size in another order.
  expectClose(dx.array, expected, absolute: 1e-6)

  let rounded = kept(x.array.map { BFloat16($0) })
  let large = kept([BFloat16](repeating: BFloat16(0), count: y.count))
  upsample(images(rounded, samples, height, width), into: images(large, samples, 2 * height, 2 * width))
  #expect(large.array == y.array.map { BFloat16($0) })
  upsampleBackward(images(dy, samples, 2 * height, 2 * width), into: images(rounded, samples, height, width))
  #expect(rounded.array == dx.array.map { BFloat16($0) })
  let four = kept(dy.array.map { BFloat16($0) })
  upsampleBackward(images(four, samples, 2 * height, 2 * width), into: images(rounded, samples, height, width))
  // Four terms rounded to 8 bits, and their sum.
  expectClose(rounded.array.map(\.float), expected, absolute: 4 * 4 * 0x1p-9, relative: 0x1p-8)
}

@Test func noiseIsGumbelOfThePhiloxWords() {
  let address = NoiseAddress(seed: 3, step: 10, sample: 1 << 40)
  let row = kept(count: 192)
  fillGumbel(row.vector, address, position: 5)
  let stream = RandomStream(seed: 3, 0x6775_6D62_656C, 10, 1 << 40).stream
  let expected = (0..<192).map { index -> Float in
    let words = Philox.block(seed: 3, stream: stream, position: UInt64(5 * 48 + index / 64 * 16 + index % 16))
    let uniform = (Double(words[index % 64 / 16] >> 9) + 0.5) / Double(1 << 23)
    return Float(-log(-log(uniform)))
  }
  // Where u is near 1/e the outer logarithm is near 0: absolute, from 2 ulp in the inner one.
  expectClose(row.array, expected, absolute: 5e-7, relative: 5e-7)
}

@Test func noiseHasGumbelMomentsAndFiniteTails() {
  let row = kept(count: 1 << 17)
  fillGumbel(row.vector, NoiseAddress(seed: 1, step: 2, sample: 3), position: 0)
  let values = row.array.map(Double.init)
  let count = Double(values.count)
  let mean = values.reduce(0, +) / count
  let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / count
  // Mean: Euler's constant; variance: pi²/6. Five standard errors: 5 · 1.28 / 362, and 5 · 1.64 · sqrt(4.4) / 362.
  #expect(abs(mean - 0.5772) < 0.018)
  #expect(abs(variance - 1.6449) < 0.048)
  #expect(values.allSatisfy { $0 > -2.9 && $0 < 17 })
}

/// softmax((l + g) / tau) and KL(softmax(l) || uniform) by the definitions.
private func relaxed(_ l: [Double], _ g: [Double], _ tau: Double) -> [Double] {
  let e = zip(l, g).map { exp(($0 + $1) / tau) }
  let sum = e.reduce(0, +)
  return e.map { $0 / sum }
}

private func kl(_ l: [Double]) -> Double {
  relaxed(l, l.map { _ in 0 }, 1).reduce(log(Double(l.count))) { $0 + $1 * log($1) }
}

@Test(arguments: [2, 16, 37, 64], [Float(1), 0.25]) func relaxationForwardAndBackward(count: Int, temperature: Float) {
  let (logits, noise) = (kept(normal(count, 8, deviation: 2)), kept(normal(count, 9)))
  let dy = kept(normal(count, 10))
  let (l, g) = (logits.array.map(Double.init), noise.array.map(Double.init))
  let (tau, klWeight) = (Double(temperature), 0.7)
  #expect(abs(klFromUniform(logits.vector) - kl(l)) < 1e-6)

  let (y, dLogits) = (kept(count: count), kept(count: count))
  let (yRounded, dLogitsRounded) = (
    kept([BFloat16](repeating: BFloat16(0), count: count)), kept([BFloat16](repeating: BFloat16(0), count: count))
  )
  let divergence = relax(
    logits.vector, noise: kept(noise.array).vector, temperature: temperature, klWeight: Float(klWeight), into: yRounded.vector,
    klGradient: dLogitsRounded.vector)
  #expect(
    divergence
      == relax(
        logits.vector, noise: noise.vector, temperature: temperature, klWeight: Float(klWeight), into: y.vector,
        klGradient: dLogits.vector))
  #expect(abs(divergence - kl(l)) < 1e-6)
  #expect(yRounded.array == y.array.map { BFloat16($0) } && dLogitsRounded.array == dLogits.array.map { BFloat16($0) })
  // Arguments up to about 30 in fp32 carry an error of 30 · 2^-24 into the exponential.
  expectClose(y.array, relaxed(l, g, tau).map(Float.init), absolute: 1e-7, relative: 4e-6, "relaxation")

  relaxBackward(dy.vector, y.vector, temperature: temperature, addingTo: dLogits.vector)
  relaxBackward(dy.vector, yRounded.vector, temperature: temperature, addingTo: dLogitsRounded.vector)
  let weights = dy.array.map(Double.init)
  let expected = slopes(l) { l in
    zip(relaxed(l, g, tau), weights).reduce(klWeight * kl(l)) { $0 + $1.0 * $1.1 }
  }
  expectClose(dLogits.array, expected, absolute: 4e-6, "gradient")
  // Two numbers of up to 3 / temperature with 8 bits.
  expectClose(dLogitsRounded.array.map(\.float), expected, absolute: 0x1p-6 / temperature, "gradient in bf16")
}

@Test func relaxationOfNearlyUniformLogitsKeepsItsDigits() {
  let logits = kept(normal(8192, 11, deviation: 1e-3).map { $0 + 40 })
  let expected = kl(logits.array.map { Double($0) - 40 })
  #expect(expected > 4e-7)
  // fp32 rounding of ln q near -9 and of the sum of 8192 terms: about 1e-6 nats, which is what a KL of zero may show.
  #expect(abs(klFromUniform(logits.vector) - expected) < 2e-6)
}

@Test func largestTakesTheFirstOfEquals() {
  for count in [1, 5, 16, 33, 100] {
    let values = kept(normal(count, UInt64(20 + count)).map { ($0 * 2).rounded() })
    let top = values.array.max()!
    #expect(indexOfLargest(values.vector) == values.array.firstIndex(of: top))
  }
}

@Test(arguments: [1, 16, 21, 1500]) func logitLaplaceForwardAndBackward(positions: Int) {
  let output = kept(normal(6 * positions, 30))
  let pixels = (0..<3 * positions).map { UInt8(truncatingIfNeeded: $0 &* 83 &+ 7) }
  let targets = kept(count: 3 * positions)
  let constant = PixelMap.logits(pixels, into: targets.vector.matrix(rows: 3, columns: positions))
  let gradient = kept(count: output.count)
  let nats =
    constant
    + logitLaplace(
      output.vector.matrix(rows: 6, columns: positions), targets.vector.matrix(rows: 3, columns: positions), scale: 0.5,
      gradient: gradient.vector.matrix(rows: 6, columns: positions))
  let rounded = kept([BFloat16](repeating: BFloat16(0), count: output.count))
  _ = logitLaplace(
    output.vector.matrix(rows: 6, columns: positions), targets.vector.matrix(rows: 3, columns: positions), scale: 0.5,
    gradient: rounded.vector.matrix(rows: 6, columns: positions))
  #expect(rounded.array == gradient.array.map { BFloat16($0) })

  // -ln of the density of paper A.3 at phi(pixel).
  func negativeLog(_ mu: Double, _ logB: Double, _ pixel: UInt8) -> Double {
    let x = 0.8 * Double(pixel) / 255 + 0.1
    return -log(1 / (2 * exp(logB) * x * (1 - x)) * exp(-abs(log(x / (1 - x)) - mu) / exp(logB)))
  }
  var expected = 0.0
  var slope = [Float](repeating: 0, count: output.count)
  for position in 0..<positions {
    for channel in 0..<3 {
      let (at, atB) = (channel * positions + position, (channel + 3) * positions + position)
      let point = [Double(output[at]), Double(output[atB])]
      let pixel = pixels[3 * position + channel]
      expected += negativeLog(point[0], point[1], pixel)
      let both = slopes(point) { 0.5 * negativeLog($0[0], $0[1], pixel) }
      (slope[at], slope[atB]) = (both[0], both[1])
    }
  }
  #expect(abs(nats - expected) < 1e-6 * Double(positions) * 3)
  expectClose(gradient.array, slope, absolute: 1e-6, relative: 3e-6)
}

/// Images of one color let ln b fall without end; the loss and its gradient stay finite, and ln b is not lowered further.
@Test func logitLaplaceHasASmallestScale() {
  let output = kept([Float](repeating: 0, count: 6 * 17))
  let targets = kept([Float](repeating: 0, count: 3 * 17))
  for position in 0..<17 {
    for channel in 0..<3 {
      output[(channel + 3) * 17 + position] = [-5.9, -6.1, -200][channel]
      targets[channel * 17 + position] = position % 2 == 0 ? 0 : 1
    }
  }
  let gradient = kept(count: output.count)
  let nats = logitLaplace(
    output.vector.matrix(rows: 6, columns: 17), targets.vector.matrix(rows: 3, columns: 17), scale: 1,
    gradient: gradient.vector.matrix(rows: 6, columns: 17))
  // ln b at 17 positions; at 8 of them mu is 1 away from the target.
  let scales = [-5.9, -6, -6]
  let expected = scales.reduce(0.0) { $0 + 17 * $1 + 8 * exp(-$1) }
  #expect(abs(nats - expected) < 0.1)
  for position in 0..<17 {
    // Where mu is right only the smallest scale itself has no slope; where it is wrong every one rises.
    let slopes = (3..<6).map { gradient[$0 * 17 + position] }
    if position % 2 == 0 {
      #expect(slopes == [1, 0, 0])
    } else {
      for slope in slopes { #expect(slope < -300 && slope > -500) }
    }
  }
}

@Test func pixelMapGoesBackToTheByte() {
  let bytes = (0..<768).map { UInt8($0 % 256) }
  let logits = kept(count: 768)
  _ = PixelMap.logits(bytes, into: logits.vector.matrix(rows: 3, columns: 256))
  var back = [UInt8](repeating: 0, count: 768)
  PixelMap.reconstruct(logits.vector.matrix(rows: 3, columns: 256), into: &back)
  #expect(back == bytes)
  let x = kept(count: 768)
  PixelMap.apply(bytes, into: x.vector)
  expectClose(x.array, bytes.map { Float(0.8 * Double($0) / 255 + 0.1) }, absolute: 1e-7)
  let rounded = kept([BFloat16](repeating: BFloat16(0), count: 768))
  PixelMap.apply(bytes, into: rounded.vector)
  #expect(rounded.array == x.array.map { BFloat16($0) })

  // Far outside the range of phi the inverse clamps; a value that is not a number is black.
  let outside = kept([-50, 50, .nan] as [Float])
  PixelMap.reconstruct(outside.vector.matrix(rows: 3, columns: 1), into: &back)
  #expect(back[0..<3] == [0, 255, 0])
}

@Test func columnsOfCodesAndTotals() {
  let (vocabulary, width) = (5, 3)
  let (weights, bias) = (kept((0..<15).map(Float.init)), kept([100, 200, 300] as [Float]))
  let y = kept(count: 6)
  selectColumns(
    [4, 1], weights.vector.matrix(rows: width, columns: vocabulary), bias: bias.vector,
    into: y.vector.matrix(rows: 2, columns: width))
  #expect(y.array == [104, 209, 314, 101, 206, 311])
  let many = kept([Float](repeating: 0.1, count: 5001))
  // Runs of 1024 in fp32: each of 16 lanes sums 64 equal terms, so half an ulp of 6.4 may add up 64 · 80 times: 1.2e-3.
  #expect(abs(total(many.vector) - 500.1) < 1.2e-3)
}
