import CMPI

/// A call that MPI refused: which, and MPI's own words.
package struct MPIError: Error, CustomStringConvertible {
  package let call: String
  package let code: Int32

  package var description: String {
    var text = [CChar](repeating: 0, count: Int(MPI_MAX_ERROR_STRING))
    var length: Int32 = 0
    MPI_Error_string(code, &text, &length)
    let reason = String(decoding: text.prefix(Int(length)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return "\(call) failed: \(reason)"
  }
}

/// Throws unless `code` means success.
func check(_ code: Int32, _ call: String = #function) throws {
  guard code == MPI_SUCCESS else { throw MPIError(call: call, code: code) }
}
