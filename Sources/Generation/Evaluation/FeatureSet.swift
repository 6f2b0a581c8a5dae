import COpenBLAS

/// Features of images, `[count, size]`, each of length 1, and their distances to those of other images.
package struct FeatureSet: Sendable {
  package let values: [Float]
  package let size: Int
  package var count: Int { values.count / size }

  package init(_ values: [Float], size: Int) {
    precondition(values.count % size == 0, "\(values.count) values of features of \(size)")
    (self.values, self.size) = (values, size)
  }

  /// The features of some images; one may be taken several times.
  func samples(_ indices: [Int]) -> FeatureSet {
    FeatureSet(indices.flatMap { values[$0 * size..<($0 + 1) * size] }, size: size)
  }

  /// Of image `index` with a vector of the same length.
  func cosine(_ index: Int, _ other: ArraySlice<Float>) -> Float {
    zip(values[index * size..<(index + 1) * size], other).reduce(0) { $0 + $1.0 * $1.1 }
  }

  // MARK: Fréchet distance

  /// The Fréchet distance of normal distributions with the means and covariances of both sets (Heusel et al. 2017): |m1 - m2|² +
  /// trace(C1 + C2 - 2 √(C1 C2)). Needs two images of each at least; grows as images become fewer.
  package func frechetDistance(to other: FeatureSet) -> Double {
    let (a, b) = (moments, other.moments)
    let means = zip(a.mean, b.mean).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
    // The eigenvalues of C1 C2 are those of the symmetric √C1 · C2 · √C1.
    let root = Self.root(of: a.covariance, size)
    let product = Self.multiply(Self.multiply(root, b.covariance, size), root, size)
    let roots = Self.eigen(product, size).values.reduce(0) { $0 + max(0, $1).squareRoot() }
    let traces = (0..<size).reduce(0) { $0 + a.covariance[$1 * size + $1] + b.covariance[$1 * size + $1] }
    return max(0, means + traces - 2 * roots)
  }

  /// Mean, and covariance with the divisor count - 1.
  private var moments: (mean: [Double], covariance: [Double]) {
    var mean = [Double](repeating: 0, count: size)
    for row in 0..<count { for k in 0..<size { mean[k] += Double(values[row * size + k]) / Double(count) } }
    let centered = (0..<count * size).map { Double(values[$0]) - mean[$0 % size] }
    var covariance = [Double](repeating: 0, count: size * size)
    cblas_dgemm(
      CblasRowMajor, CblasTrans, CblasNoTrans, Int32(size), Int32(size), Int32(count), 1 / Double(count - 1), centered, Int32(size),
      centered, Int32(size), 0, &covariance, Int32(size))
    return (mean, covariance)
  }

  /// The symmetric square root of a covariance.
  private static func root(of matrix: [Double], _ n: Int) -> [Double] {
    let (values, vectors) = eigen(matrix, n)
    let scaled = (0..<n * n).map { vectors[$0] * max(0, values[$0 / n]).squareRoot().squareRoot() }
    var result = [Double](repeating: 0, count: n * n)
    cblas_dgemm(
      CblasRowMajor, CblasTrans, CblasNoTrans, Int32(n), Int32(n), Int32(n), 1, scaled, Int32(n), scaled, Int32(n), 0, &result,
      Int32(n))
    return result
  }

  /// Eigenvalues of a symmetric matrix, and its eigenvectors as rows.
  private static func eigen(_ matrix: [Double], _ n: Int) -> (values: [Double], vectors: [Double]) {
    var vectors = matrix
    var values = [Double](repeating: 0, count: n)
    let status = copenblas_eigen(Int32(n), &vectors, &values)
    precondition(status == 0, "eigenvalues of \(n) x \(n) numbers that are not finite")
    return (values, vectors)
  }

  private static func multiply(_ a: [Double], _ b: [Double], _ n: Int) -> [Double] {
    var result = [Double](repeating: 0, count: n * n)
    cblas_dgemm(
      CblasRowMajor, CblasNoTrans, CblasNoTrans, Int32(n), Int32(n), Int32(n), 1, a, Int32(n), b, Int32(n), 0, &result, Int32(n))
    return result
  }

  // MARK: Kernel distance

  /// The kernel distance (Bińkowski et al. 2018): the squared maximum mean discrepancy with the kernel (cosine + 1)³, without bias: around 0
  /// for two sets of one distribution, however many images they have. Both have equally many, two at least.
  package func kernelDistance(to other: FeatureSet) -> Double { KernelDistance(self, other).value }
}

/// The kernel distance of two sets, and of samples taken from them. Image i of one set may belong to image i of the other: no image is
/// compared with itself or with that one, as in the unbiased estimate for pairs (Gretton et al. 2012, lemma 6).
struct KernelDistance {
  /// Of images i and j: k(a_i, a_j) + k(b_i, b_j) - k(a_i, b_j) - k(a_j, b_i).
  private let terms: [Double]
  private let count: Int

  init(_ a: FeatureSet, _ b: FeatureSet) {
    let n = a.count
    precondition(n == b.count, "\(n) images and \(b.count)")
    func kernel(_ a: FeatureSet, _ b: FeatureSet) -> [Double] {
      var cosines = [Float](repeating: 0, count: n * n)
      cblas_sgemm(
        CblasRowMajor, CblasNoTrans, CblasTrans, Int32(n), Int32(n), Int32(a.size), 1, a.values, Int32(a.size), b.values,
        Int32(b.size),
        0, &cosines, Int32(n))
      return cosines.map {
        let sum = Double($0) + 1
        return sum * sum * sum
      }
    }
    let (own, others, cross) = (kernel(a, a), kernel(b, b), kernel(a, b))
    terms = (0..<n * n).map { own[$0] + others[$0] - cross[$0] - cross[$0 % n * n + $0 / n] }
    count = n
  }

  var value: Double { value(Array(0..<count)) }

  /// Of some images; one may be taken several times.
  func value(_ images: [Int]) -> Double {
    var (sum, pairs) = (0.0, 0)
    for i in images { for j in images where i != j { (sum, pairs) = (sum + terms[i * count + j], pairs + 1) } }
    return sum / Double(max(1, pairs))
  }
}
