import Kernels
import Memory

/// Threads are set for a whole process, which tests that run side by side in one cannot do. They must not change a bit.
func testThreads(_ test: RankTest) throws {
  for threads in [2, 3] {
    test.expect(onThreads(Float.self, threads) == onThreads(Float.self, 1), "fp32 on \(threads) threads")
    // oneDNN multiplies bf16 only on CPUs that do so fast.
    guard Precision.bf16.isSupported else { continue }
    test.expect(onThreads(BFloat16.self, threads) == onThreads(BFloat16.self, 1), "bf16 on \(threads) threads")
  }
  test.expect(onThreads(Float.self, 1).allSatisfy(\.isFinite), "numbers that nothing was written to")
  try test.passed("threads")
}

private func onThreads<Element: Scalar>(_: Element.Type, _ threads: Int) -> [Float] {
  setThreads(threads)
  defer { setThreads(1) }
  func matrix(_ rows: Int, _ columns: Int, _ stream: UInt64) -> MatrixView<Element> {
    let values = Buffer<Float>(count: rows * columns)
    fillNormal(values.vector, seed: 1, stream: stream, std: 1)
    let result = MatrixView(.allocate(capacity: values.count), rows: rows, columns: columns) as MatrixView<Element>
    for index in 0..<values.count { result.base[index] = Element(values[index]) }
    return result
  }
  func packed(_ matrix: MatrixView<Element>) -> PackedMatrix<Element> {
    let (arena, result) = Arena.layOut { PackedMatrix<Element>(rows: matrix.rows, columns: matrix.columns, in: &$0) }
    _ = Unmanaged.passRetained(arena)
    result.pack(matrix, transposed: false)
    return result
  }
  var results: [Float] = []
  // More than 65,536 numbers, and columns that threads cannot share in equal runs of 16.
  let a = matrix(3, 130, 1)
  for isTransposed in [false, true] {
    let product = Buffer<Float>(count: 3 * 1003)
    let into = product.vector.matrix(rows: 3, columns: 1003)
    product.vector.fill(.nan)
    if isTransposed {
      matmul(a, matrix(1003, 130, 2), transposing: .second, into: into)
    } else {
      matmul(a, matrix(130, 1003, 3), into: into)
    }
    results += product.array
  }
  let product = Buffer<Float>(count: 3 * 1003)
  matmul(a, packed(matrix(130, 1003, 3)), into: product.vector.matrix(rows: 3, columns: 1003))
  results += product.array
  let (width, text, window, images) = (32, 5, 4, 3)
  let (arena, attention) = Arena.layOut {
    CachedAttention<Element>(&$0, width: width, heads: 2, textLength: text, images: images, imageKeys: window)
  }
  let output = matrix(images, width, 4)
  withExtendedLifetime(arena) {
    attention.step(
      matrix(images, width, 5), textKeys: [6, 7].map { packed(matrix(width / 2, text, $0)) },
      textValues: [10, 11].map { packed(matrix(text, width / 2, $0)) },
      imageKeys: matrix(images * window, width, 8), imageValues: matrix(images * window, width, 9), visible: [0, 2, 3], into: output
    )
  }
  let basis = Buffer<Float>(count: 100 * 301)
  fillNormal(basis.vector, seed: 1, stream: 12, std: 1)
  orthonormalizeRows(basis.vector.matrix(rows: 100, columns: 301))
  return results + basis.array + (0..<output.rows * width).map { output.base[$0].float }
}
