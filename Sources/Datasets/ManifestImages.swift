import Errors
import Files
import Foundation

/// Finds the images that a manifest names: in its own folder, or in the one folder beside or below it, or the current one, that has
/// most of them, as downloads of COCO and Flickr do.
struct ManifestImages {
  /// Images after which none that exists means that all are missing.
  private static let mostMissing = 10_000
  /// Images that decide which folder it is.
  private static let sampleCount = 100
  /// Folders that are looked into on each level.
  private static let mostFolders = 64
  /// Bytes of a path (Linux' PATH_MAX).
  private static let longestPath = 4096

  private let folder: String
  /// Where the images are, if not in the manifest's folder, for the log.
  let note: String?

  /// - Parameter names: gives the images of the manifest one after the other.
  /// - Throws: `DalleError` if none of the images exists.
  init(_ manifest: String, _ names: () throws -> String?) throws {
    let own = (manifest as NSString).deletingLastPathComponent
    let above = (own as NSString).deletingLastPathComponent
    var folders = [own]
    for folder in Self.folders(in: own) + [above, FileManager.default.currentDirectoryPath] + Self.folders(in: above)
    where !folders.contains(folder) { folders.append(folder) }
    var found = [Int](repeating: 0, count: folders.count)
    var (first, count): (String?, Int) = (nil, 0)
    while count < Self.mostMissing, count < Self.sampleCount || found.allSatisfy({ $0 == 0 }), let name = try names() {
      first = first ?? name
      count += 1
      for (index, folder) in folders.enumerated() where Self.existing(name, in: folder) != nil { found[index] += 1 }
    }
    let most = found.max()!
    if let first, most == 0 { throw Self.allMissing(manifest, count: count, first: first) }
    let best = folders.indices.filter { found[$0] == most }
    if best[0] != 0, best.count > 1 {
      throw DalleError(
        .data,
        "\(manifest): its images exist in \(folders[best[0]]) and in \(folders[best[1]]), and not relative to \(own); move the "
          + "list into the folder that is meant")
    }
    folder = folders[best[0]]
    note = best[0] == 0 ? nil : "\(manifest): its images are taken from \(folder)"
  }

  /// The path of an image.
  ///
  /// - Throws: `Skip` without location for what is no path.
  func path(_ name: String) throws(NoPath) -> String {
    if Self.isAddress(name) {
      throw NoPath(detail: "`\(name.prefix(200))` is an address, not a file; download the images with img2dataset")
    }
    if name.utf8.count > Self.longestPath {
      throw NoPath(
        detail: "the path has \(name.utf8.count) bytes (at most \(Self.longestPath)); write images that are in the list itself "
          + "(base64) into files")
    }
    let variants = Self.variants(name)
    let plain = Self.absolute(name, in: folder)
    return variants.count == 1 ? plain : Self.existing(name, in: folder) ?? plain
  }

  struct NoPath: Error { let detail: String }

  private static func isAddress(_ name: String) -> Bool {
    ["http://", "https://", "s3://", "gs://", "ftp://", "data:"].contains(where: name.lowercased().hasPrefix)
  }

  private static func folders(in folder: String) -> [String] {
    guard let listing = try? FolderListing(folder) else { return [] }
    return listing.entries.lazy.filter { if case .folder = $0.kind { true } else { false } }.prefix(mostFolders)
      .map { "\(folder == "/" ? "" : folder)/\($0.name)" }
  }

  private static func absolute(_ name: String, in folder: String) -> String {
    name.hasPrefix("/") ? name : (folder as NSString).appendingPathComponent(name)
  }

  /// The name, and what it surely means if a file exists there: without blanks around it, without `file://`, with the home folder
  /// for `~`, with slashes for backslashes.
  private static func variants(_ name: String) -> [String] {
    var variants = [name]
    func add(_ variant: String?) { if let variant, variant != variants.last { variants.append(variant) } }
    if let first = name.utf8.first, let last = name.utf8.last, first <= 0x20 || last <= 0x20 {
      add(name.trimmingCharacters(in: .whitespacesAndNewlines))
    }
    let plain = variants.last!
    if plain.hasPrefix("file://") { add(String(plain.dropFirst(7)).removingPercentEncoding) }
    if plain.hasPrefix("~/") { add(ProcessInfo.processInfo.environment["HOME"].map { $0 + plain.dropFirst(1) }) }
    if plain.utf8.contains(UInt8(ascii: "\\")) { add(plain.replacingOccurrences(of: "\\", with: "/")) }
    return variants
  }

  private static func existing(_ name: String, in folder: String) -> String? {
    guard !isAddress(name), name.utf8.count <= longestPath else { return nil }
    return variants(name).lazy.map { absolute($0, in: folder) }.first { access($0, F_OK) == 0 }
  }

  private static func allMissing(_ manifest: String, count: Int, first: String) -> DalleError {
    let folder = (manifest as NSString).deletingLastPathComponent
    let isOfWindows = first.count > 2 && first.dropFirst().first == ":"
    let cause =
      if isAddress(first) {
        "they are addresses: download the images with img2dataset, and collect its output"
      } else if first.utf8.count > 1000 {
        "they are images themselves (base64?), not paths: write them into files"
      } else if isOfWindows {
        "they are paths of a Windows machine: write paths relative to the list, with slashes"
      } else if first.contains("\\") {
        "they have backslashes: write slashes, and paths relative to the list"
      } else if first.hasPrefix("/") || first.hasPrefix("~") {
        "the images have been moved, or are on another machine: write paths relative to the list"
      } else {
        "write paths relative to the list, or move the list into the folder of its images"
      }
    return DalleError(
      .data,
      "\(manifest): none of its \(count == mostMissing ? "first " : "")\(count) images exists (the first: `\(first.prefix(200))`; looked "
        + "in \(folder), in the folders in it and beside it, and in the current folder); \(cause)")
  }
}
