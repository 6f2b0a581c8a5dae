import COpenSSL

#if canImport(Glibc)
  import Glibc
#endif

/// SHA-256 of data that arrives in pieces (OpenSSL, which uses the CPU's SHA instructions).
package final class SHA256 {
  private let context: OpaquePointer

  package init() {
    context = EVP_MD_CTX_new()
    precondition(EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1, "OpenSSL has no SHA-256")
  }

  deinit { EVP_MD_CTX_free(context) }

  package func update(_ bytes: UnsafeRawBufferPointer) {
    precondition(EVP_DigestUpdate(context, bytes.baseAddress, bytes.count) == 1, "SHA-256 of \(bytes.count) bytes failed")
  }

  /// The digest as 64 hexadecimal digits. Call once, after the last update.
  package func finish() -> String {
    var digest = [UInt8](repeating: 0, count: 32)
    precondition(EVP_DigestFinal_ex(context, &digest, nil) == 1, "SHA-256 could not finish")
    let digits = Array("0123456789abcdef".utf8)
    return String(decoding: digest.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
  }

  package static func hex(of bytes: some Sequence<UInt8>) -> String {
    let hash = SHA256()
    Array(bytes).withUnsafeBytes(hash.update)
    return hash.finish()
  }

  /// The digest of a file, read in pieces of 1 MiB; nil if it cannot be read.
  package static func hex(ofFile path: String) -> String? {
    guard let file = fopen(path, "rb") else { return nil }
    defer { fclose(file) }
    let hash = SHA256()
    var piece = [UInt8](repeating: 0, count: 1 << 20)
    while true {
      let count = fread(&piece, 1, piece.count, file)
      if count == 0 { break }
      piece.withUnsafeBytes { hash.update(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
    }
    return ferror(file) == 0 ? hash.finish() : nil
  }
}
