import Foundation
import Testing

@testable import Reports
@testable import Watching

/// What a chart shows of a series.
@Suite struct CurveTests {
  private func series(_ count: Int, _ value: (Int) -> Double) -> ThinnedSeries {
    var series = ThinnedSeries(limit: 1024)
    for step in 1...count { series.add(value(step), step: step) }
    return series
  }

  @Test(arguments: [500, 5000, 50_000]) func aSpikeIsSeenInALongSeries(count: Int) {
    let curve = Curve(series(count) { $0 == count / 2 ? 100 : 1 })
    #expect(curve.columns.count <= 241 && curve.columns.count >= 100)
    let spikes = curve.columns.filter { $0.maximum == 100 }
    #expect(spikes.count == 1 && spikes[0].firstStep <= count / 2 && spikes[0].lastStep >= count / 2)
    #expect(curve.columns.reduce(0) { $0 + $1.count } == count)
  }

  /// The line follows a slope without delay, and loses most of the noise.
  @Test func theLineIsSmooth() {
    let curve = Curve(series(4000) { Double($0) + ($0 / 40 % 2 == 0 ? 200 : -200) })
    for (column, mean) in zip(curve.columns, curve.means).dropFirst(5).dropLast(5) { #expect(abs(mean - column.center) < 100) }
    let few = Curve(series(10) { Double($0 * $0) })
    #expect(few.means == (1...10).map { Double($0 * $0) })
  }

  @Test func axes() {
    let loss = Axis([2.5, 9])
    #expect(loss.share(9) < 1 && loss.share(2.5) > 0 && loss.share(100) == 1 && loss.share(-5) == 0)
    #expect(loss.ticks.map(\.label) == ["4", "6", "8"])
    #expect(Axis([0.0001, 0.00045], hasZero: true).ticks.map(\.label) == ["0", "1e-4", "2e-4", "3e-4", "4e-4"])
    let norm = Axis([0.01, 100], mayBeLogarithmic: true)
    #expect(norm.isLogarithmic && norm.ticks.map(\.label) == ["0.01", "0.1", "1", "10", "100"])
    #expect(abs(norm.share(1) - 0.5) < 1e-9)
    #expect(!Axis([1, 10], mayBeLogarithmic: true).isLogarithmic && !Axis([0, 1000], mayBeLogarithmic: true).isLogarithmic)
    // Whatever a file has.
    for values in [[], [5], [0, 0], [-1e100, 1e100], [1e100], [1e-300, 2e-300]] as [[Double]] {
      let axis = Axis(values, mayBeLogarithmic: true)
      #expect(axis.low < axis.high && (0...1).contains(axis.share(values.first ?? 0)) && axis.ticks.count < 20)
    }
  }

  @Test func numbersAsText() {
    #expect(
      [5.4321, 0.00045, 163_840, 1e9, 0, 12, 1.5e-7].map(NumberText.precise) == [
        "5.432", "4.500e-4", "163.8k", "1G", "0", "12", "1.500e-7",
      ])
    #expect(NumberText.onAxis(12.25, step: 0.05) == "12.25" && NumberText.onAxis(1500, step: 500) == "1.5k")
    #expect([999, 1e3, 1.52e9].map(NumberText.bytes) == ["999 bytes", "1 kB", "1.52 GB"])
  }
}
