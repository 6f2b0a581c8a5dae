import Foundation

/// Bytes that this process has in memory for itself alone: of neither files nor other processes. 0 where the system does not tell.
public func ownMemoryByteCount() -> Int {
  guard let text = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8),
    let line = text.split(separator: "\n").first(where: { $0.hasPrefix("RssAnon:") })
  else { return 0 }
  return 1024 * (line.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) } ?? 0)
}
