import Errors
import Files
import Foundation

/// Finds the images that a manifest names: relative to its own folder; else in the folder below it that has most of them, as in
/// Flickr8k and Flickr30k; else, for a manifest in a folder of lists alone (COCO's `annotations`, `Flickr8k_text`), in the one beside
/// that.
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
    var levels = [[own], Self.folders(in: own)]
    let ownName = (own as NSString).lastPathComponent.lowercased()
    if ["annotation", "text", "caption"].contains(where: ownName.contains) { levels.append([above] + Self.folders(in: above)) }
    var found = levels.map { [Int](repeating: 0, count: $0.count) }
    var (first, count): (String?, Int) = (nil, 0)
    while count < Self.mostMissing, count < Self.sampleCount || found.allSatisfy({ $0.allSatisfy { $0 == 0 } }),
      let name = try names()
    {
      first = first ?? name
      count += 1
      for (level, folders) in levels.enumerated() {
        for (index, folder) in folders.enumerated() where Self.existing(name, in: folder) != nil { found[level][index] += 1 }
      }
    }
    guard let level = found.firstIndex(where: { $0.contains { $0 > 0 } }) else {
      if let first { throw Self.allMissing(manifest, count: count, first: first) }
      (folder, note) = (own, nil)
      return
    }
    let most = found[level].max()!
    let best = levels[level].indices.filter { found[level][$0] == most }.map { levels[level][$0] }
    guard best.count == 1 else {
      throw DalleError(
        .data,
        "\(manifest): its images exist in \(best[0]) and in \(best[1]), and not relative to \(own); move the list into the folder "
          + "that is meant")
    }
    folder = best[0]
    note = level == 0 ? nil : "\(manifest): its images are taken from \(folder)"
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
  /// for `~`, with slashes for backslashes, with the signs of an address decoded (`%20` is a blank), with an image's suffix.
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
    if plain.utf8.contains(UInt8(ascii: "%")) { add(plain.removingPercentEncoding) }
    // kohya's keys have no suffix.
    if FileKind(plain) != .image { variants += suffixes.map { plain + $0 } }
    return variants
  }

  private static let suffixes = [
    ".jpg", ".jpeg", ".png", ".webp", ".JPG", ".JPEG", ".PNG", ".gif", ".avif", ".tif", ".tiff", ".bmp",
  ]

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
      } else if existing(first, in: FileManager.default.currentDirectoryPath) != nil {
        "they exist relative to the current folder: move the list there, or write paths relative to it"
      } else if let link = brokenLink(in: absolute(first, in: folder)) {
        "\(link): correct the link, or restore what it leads to"
      } else if first.hasPrefix("/") || first.hasPrefix("~") {
        "the images have been moved, or are on another machine: write paths relative to the list"
      } else {
        "write paths relative to the list, or move the list into the folder of its images"
      }
    return DalleError(
      .data,
      "\(manifest): none of its \(count == mostMissing ? "first " : "")\(count) images exists (the first: `\(first.prefix(200))`; looked "
        + "in \(folder) and the folders in it); \(cause)")
  }
}
