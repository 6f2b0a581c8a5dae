import CMPI
import Errors

extension DalleError {
  /// A call that MPI refused: which, and MPI's own words.
  fileprivate static func mpi(_ call: String, code: Int32) -> DalleError {
    var text = [CChar](repeating: 0, count: Int(MPI_MAX_ERROR_STRING))
    var length: Int32 = 0
    MPI_Error_string(code, &text, &length)
    let reason = String(decoding: text.prefix(Int(length)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return DalleError(
      .unavailable,
      "MPI: \(call) failed (\(reason)): another rank or the network to it is gone; start the same command again, it resumes from the "
        + "newest checkpoint")
  }
}

/// Throws unless `code` means success.
func check(_ code: Int32, _ call: String = #function) throws {
  guard code == MPI_SUCCESS else { throw DalleError.mpi(call, code: code) }
}
