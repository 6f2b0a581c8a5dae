import Errors
import Foundation

extension DalleError {
  /// A file or folder that the system refuses: which, its reason, and what helps against that reason.
  ///
  /// - Parameter code: by default the `errno` of the last system call. ENOENT, ENOTDIR and ELOOP give the kind `noInput`, all others
  ///   `inputOutput`.
  package static func file(_ path: String, _ problem: String, code: Int32 = errno) -> DalleError {
    let advice =
      switch code {
      case ENOENT, ENOTDIR, ELOOP:
        brokenLink(in: path).map { "\($0): correct the link, or restore what it leads to" } ?? "check the path"
      case EACCES, EPERM: "check the permissions of the file and its folder"
      case ENOSPC, EDQUOT: "free space on the disk, or name another folder"
      case EFBIG: "raise the limit of file sizes (ulimit -f)"
      case EROFS: "name a folder that can be written"
      case EISDIR: "name a file"
      case EMFILE, ENFILE: "raise the limit of open files (ulimit -n)"
      case ENOMEM: "free memory, or use a machine with more"
      default: "check the disk"
      }
    let kind: Kind = [ENOENT, ENOTDIR, ELOOP].contains(code) ? .noInput : .inputOutput
    return DalleError(kind, "\(path): \(problem): \(String(cString: strerror(code))); \(advice)")
  }

  /// A file or folder that Foundation refuses.
  package static func file(_ path: String, _ problem: String, _ error: any Error) -> DalleError {
    var cause = error as NSError
    while cause.domain != NSPOSIXErrorDomain, let below = cause.userInfo[NSUnderlyingErrorKey] as? NSError { cause = below }
    if cause.domain == NSPOSIXErrorDomain { return file(path, problem, code: Int32(cause.code)) }
    if cause.domain == NSCocoaErrorDomain {
      switch CocoaError.Code(rawValue: cause.code) {
      case .fileNoSuchFile, .fileReadNoSuchFile: return file(path, problem, code: ENOENT)
      case .fileReadNoPermission, .fileWriteNoPermission: return file(path, problem, code: EACCES)
      case .fileWriteOutOfSpace: return file(path, problem, code: ENOSPC)
      default: break
      }
    }
    return DalleError(
      .inputOutput, "\(path): \(problem): \(error.localizedDescription); check the path, its permissions and the disk")
  }
}
