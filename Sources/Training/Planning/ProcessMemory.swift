import Memory

/// Memory of a rank beside what it trains with: the program and the libraries that it uses.
package struct ProcessMemory: Sendable {
  /// Bytes that the process has taken already.
  package let held: Int
  /// Bytes that training takes in addition.
  package let later: Int

  /// What libraries take in training, measured with Open MPI 4.1.4, OpenBLAS 0.3.21, oneDNN 2.6 and one to four ranks of one and two
  /// threads: 5 MB when MPI, files and decoders are first used, 4 MB to write a checkpoint, 3 MB of generated kernels, and for each thread
  /// a stack and operands of GEMMs in the library's own layout (OpenBLAS 6 MB, oneDNN 3 to 5 MB).
  private static let laterBytes = 12_000_000
  private static let laterBytesPerThread = 5_000_000

  /// - Parameters:
  ///   - threads: of the rank.
  ///   - held: bytes; by default what this process has now.
  package init(threads: Int, held: Int = ownMemoryByteCount()) {
    self.held = held
    later = Self.laterBytes + threads * Self.laterBytesPerThread
  }

  package var byteCount: Int { held + later }
}
