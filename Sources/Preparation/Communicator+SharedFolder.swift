import Errors
import Files
import Foundation
import MPI

extension Communicator {
  /// Checks that every rank sees a folder of the coordinator's, by a file that it writes and removes. Collective.
  ///
  /// - Parameter seconds: that a network file system may take.
  /// - Throws: `DalleError` of kind `unavailable` that names the folder and two hosts that see different ones; on every rank.
  package func requireShared(_ folder: String, within seconds: Double = 10) throws {
    struct Sign: Codable {
      var path: String
      var host: String
    }
    let host = ProcessInfo.processInfo.hostName
    let sign = try decide {
      let sign = Sign(path: "\(folder)/seen-by-all-\(UUID().uuidString)", host: host)
      try replaceFile(sign.path, with: Data(host.utf8))
      return sign
    }
    let isSeen = (try? awaitFile(sign.path, byteCount: sign.host.utf8.count, seconds: seconds)) != nil
    let blind = try allGather(isSeen).firstIndex(of: false)
    if rank == 0 { unlink(sign.path) }
    guard let blind else { return }
    let other = String(decoding: try broadcast([UInt8](host.utf8), from: blind), as: UTF8.self)
    throw DalleError(
      .unavailable,
      "\(folder): is another folder on \(other) than on \(sign.host): a file that was written there was not seen within "
        + "\(Int(seconds)) s; put it on a file system that all hosts share, under the same path")
  }
}
