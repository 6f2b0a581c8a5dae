import CDNN
import CLanes
import Memory

/// Linear layers with operands of 8 bits, of a layer's forward pass and of its input's gradient ("SwitchBack", Wortsman et al. 2023):
/// every row of activations or gradients, and the weights of every output, are rounded to integers by a scale of their own. Products are
/// exact sums of integers, so a row's result does not depend on the other rows.
///
/// Weights' gradients are sums over many rows, and are not computed so.
public struct Int8Products {
  /// Whether this CPU has instructions for them.
  public static var areSupported: Bool { cdnn_has_int8() == 1 }

  private let activations: UnsafeMutablePointer<UInt8>  // [panel, widest]
  private let weights: UnsafeMutablePointer<Int8>  // [outputs, inputs], as the weights lie
  private let packed: UnsafeMutablePointer<UInt8>
  private let sums: UnsafeMutablePointer<Int32>  // [panel, widest]
  private let rowScales: Vector  // [panel]
  private let outputScales: Vector  // [widest]
  private let outputSums: UnsafeMutablePointer<Int32>  // [widest]
  private let scratch: Vector  // [widest]
  private let widest: Int
  private let largest: Int

  private static let panel = Int(CDNN_INT8_ROWS)

  /// Scratch for layers of these shapes; nothing is kept in it between calls.
  public init(layers: [(outputs: Int, inputs: Int)], in space: inout Space) {
    widest = layers.reduce(0) { max($0, $1.outputs, $1.inputs) }
    largest = layers.reduce(0) { max($0, $1.outputs * $1.inputs) }
    // 255 · 127 · 65,536 is less than 2^31.
    precondition(widest <= 65_536, "sums of \(widest) products")
    var packedBytes = 0
    for (outputs, inputs) in layers {
      for (n, k) in [(outputs, inputs), (inputs, outputs)] {
        var bytes = 0
        checkOneDNN(cdnn_int8_packed_bytes(Int32(n), Int32(k), &bytes), "preparing \(k) x \(n) weights of 8 bits")
        packedBytes = max(packedBytes, bytes)
      }
    }
    activations = space.take(UInt8.self, count: Self.panel * widest)
    weights = space.take(Int8.self, count: largest)
    packed = space.take(UInt8.self, count: packedBytes)
    sums = space.take(Int32.self, count: Self.panel * widest)
    rowScales = space.vector(Self.panel)
    outputScales = space.vector(widest)
    outputSums = space.take(Int32.self, count: widest)
    scratch = space.vector(widest)
  }

  /// `y (+)= x · weightsᵀ (+ bias) (+ residual)`; x is `[m, inputs]`, weights `[outputs, inputs]`, y `[m, outputs]`.
  public func forward<Element: Scalar, Result: Scalar>(
    _ x: MatrixView<Element>, _ weights: MatrixView<Element>, into y: MatrixView<Result>, _ destination: Destination = .overwrite,
    bias: Vector? = nil, residual: Matrix? = nil
  ) {
    precondition(
      x.columns == weights.columns && y.columns == weights.rows && y.rows == x.rows,
      "\(x.rows) x \(x.columns) by \(weights.rows) x \(weights.columns) into \(y.rows) x \(y.columns)")
    multiply(x, weights, byColumns: false, into: y, destination, bias: bias, residual: residual)
  }

  /// `dx = dy · weights`; dy is `[m, outputs]`, weights `[outputs, inputs]`, dx `[m, inputs]`.
  public func backward<Element: Scalar, Result: Scalar>(
    _ dy: MatrixView<Element>, _ weights: MatrixView<Element>, into dx: MatrixView<Result>
  ) {
    precondition(
      dy.columns == weights.rows && dx.columns == weights.columns && dx.rows == dy.rows,
      "\(dy.rows) x \(dy.columns) by \(weights.rows) x \(weights.columns) into \(dx.rows) x \(dx.columns)")
    multiply(dy, weights, byColumns: true, into: dx, .overwrite, bias: nil, residual: nil)
  }

  private func multiply<Element: Scalar, Result: Scalar>(
    _ a: MatrixView<Element>, _ w: MatrixView<Element>, byColumns: Bool, into y: MatrixView<Result>, _ destination: Destination,
    bias: Vector?, residual: Matrix?
  ) {
    let (n, k) = (y.columns, a.columns)
    precondition(max(n, k) <= widest && n * k <= largest, "\(k) x \(n) weights in scratch for \(largest), \(widest) wide")
    let span = KernelClock.begin(.matmul)
    defer {
      KernelClock.end(span)
      KernelPauses.pause()
    }
    let isBF16: Int32 = Element.self == BFloat16.self ? 1 : 0
    cdnn_int8_round_weights(
      w.base, isBF16, w.rows, w.columns, w.stride, byColumns ? 1 : 0, weights, outputScales.base, outputSums, scratch.base)
    checkOneDNN(cdnn_int8_pack(Int32(n), Int32(k), byColumns ? 0 : 1, weights, packed), "packing \(k) x \(n) weights of 8 bits")
    for first in stride(from: 0, to: a.rows, by: Self.panel) {
      let rows = first..<min(first + Self.panel, a.rows)
      forEachPart(of: rows.count) { part in
        cdnn_int8_round_activations(
          a.base + (first + part.lowerBound) * a.stride, isBF16, part.count, k, a.stride, activations + part.lowerBound * k,
          rowScales.base + part.lowerBound)
      }
      // Rows of the panel that are not filled give sums that nobody reads.
      checkOneDNN(cdnn_int8_multiply(Int32(n), Int32(k), activations, packed, sums), "a GEMM of 8 bits, \(k) x \(n)")
      forEachPart(of: rows.count) { part in
        for row in part {
          finish(
            sums + row * n, scale: rowScales[row], into: y.row(first + row), destination, bias: bias,
            residual: residual?.row(first + row))
        }
      }
    }
  }

  /// A row of the result from its sums: without what the 128 of the activations has added, in the scale of the operands.
  private func finish<Result: Scalar>(
    _ sums: UnsafeMutablePointer<Int32>, scale: Float, into y: VectorView<Result>, _ destination: Destination, bias: Vector?,
    residual: Vector?
  ) {
    let scales = outputScales.base
    forEachRun(y.count) { i, count in
      let sum = Self.load(sums + i, first: count) &- (Self.load(outputSums + i, first: count) &<< 7)
      var value = lanes_of_integers(sum) * (Lanes.load(scales + i, first: count, fill: 0) * scale)
      if destination == .accumulate { value += Result.load(y.base + i, first: count, fill: 0) }
      if let bias { value += Lanes.load(bias.base + i, first: count, fill: 0) }
      if let residual { value += Lanes.load(residual.base + i, first: count, fill: 0) }
      Result.store(value, to: y.base + i, first: count)
    }
  }

  @inline(__always) private static func load(_ values: UnsafeMutablePointer<Int32>, first count: Int) -> SIMD16<Int32> {
    if count == 16 { return UnsafeRawPointer(values).loadUnaligned(as: SIMD16<Int32>.self) }
    var lanes = SIMD16<Int32>.zero
    for lane in 0..<count { lanes[lane] = values[lane] }
    return lanes
  }
}
