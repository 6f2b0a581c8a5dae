import Errors
import Files
import Foundation

/// The members of a tar archive, and the samples that they make in whatever order they are. It is in memory as a whole.
struct ArchiveIndex {
  /// A file of the archive.
  struct File {
    let name: String
    /// The member that has its contents: itself, or what a link leads to.
    let member: TarReader.Member
  }

  /// An image with the files that may have its captions, the first choice first.
  struct Candidate {
    let name: String
    let image: File
    let captions: [File]
  }

  private(set) var candidates: [Candidate] = []
  /// What makes no sample: the name, and why.
  private(set) var skips: [(name: String, reason: SkipReason, detail: String)] = []
  private(set) var unused = UnusedFileCounts()
  /// Why reading stopped before the end.
  private(set) var damage: DalleError?
  /// Contents of the captions of a compressed archive, by member.
  private(set) var captionContents: [String: Data] = [:]

  /// Lists an archive.
  init(_ path: String) throws {
    var files: [File] = []
    var names: [String: Int] = [:]
    do {
      let tar = try TarReader(path)
      let size = try fileSize(path)
      while let member = try tar.nextMember() {
        if let offset = member.offset, !member.isSparse, offset + member.size > size {
          throw DalleError(.data, "\(path): ends within member `\(member.name)` (\(size) bytes), it is cut off; copy it again")
        }
        let name = Self.plain(member.name)
        if let earlier = names[name] {
          skips.append((Self.key(files[earlier].name), .duplicate, "the archive has `\(name)` twice; the first is used"))
          continue
        }
        if member.offset == nil, FileKind(name) == .caption, !member.isSparse, member.size <= CaptionText.limit {
          captionContents[member.name] = try tar.contents()
        }
        names[name] = files.count
        files.append(File(name: name, member: member))
      }
      resolve(tar.links, &files, &names)
      for name in tar.specialNames { unused.add(UnusedFiles.special, name) }
    } catch let error as DalleError { damage = error }
    group(files, path)
  }

  /// Adds links as files with the contents of what they lead to.
  private mutating func resolve(_ links: [TarReader.Link], _ files: inout [File], _ names: inout [String: Int]) {
    var targets: [String: String] = [:]
    for link in links {
      let name = Self.plain(link.name)
      let folder = (name as NSString).deletingLastPathComponent
      targets[name] =
        link.isSymbolic ? Self.plain((folder as NSString).appendingPathComponent(link.target)) : Self.plain(link.target)
    }
    for link in links {
      let name = Self.plain(link.name)
      var (target, steps) = (targets[name]!, 0)
      while names[target] == nil, let next = targets[target], steps < 16 { (target, steps) = (next, steps + 1) }
      guard let index = names[target] else {
        unused.add(UnusedFiles.brokenLink, link.name)
        continue
      }
      names[name] = files.count
      files.append(File(name: name, member: files[index].member))
    }
  }

  /// A name without `./` in it.
  private static func plain(_ name: String) -> String {
    guard name.hasPrefix("./") || name.contains("/./") || name.contains("../") else { return name }
    var parts: [Substring] = []
    for part in name.split(separator: "/") where part != "." {
      if part == "..", !parts.isEmpty { parts.removeLast() } else { parts.append(part) }
    }
    return parts.joined(separator: "/")
  }

  /// A name up to the first dot behind its folder.
  private static func key(_ name: String) -> String {
    let start = name.lastIndex(of: "/").map { name.index(after: $0) } ?? name.startIndex
    return String(name[..<(name[start...].firstIndex(of: ".") ?? name.endIndex)])
  }

  /// A file of a key: `KEY.MIDDLE.SUFFIX`.
  private struct Part {
    let file: File
    /// What is between the key and the last suffix: empty for KEY.jpg, `left` for KEY.left.jpg.
    let middle: String
    let kind: FileKind
  }

  /// Files with the same name up to the first dot are a sample (WebDataset), or several if it has several images.
  private mutating func group(_ files: [File], _ path: String) {
    var groups: [String: [Part]] = [:]
    var keys: [String] = []
    for file in files {
      let name = (file.name as NSString).lastPathComponent
      guard !name.hasPrefix(".") else {
        unused.add(UnusedFiles.hidden, "\(path):\(file.name)")
        continue
      }
      let kind = FileKind(name)
      guard let dot = name.firstIndex(of: "."), kind != .archive else {
        unused.add(UnusedFiles.kind(ofSuffix: name), "\(path):\(file.name)")
        continue
      }
      let key = Self.key(file.name)
      let rest = String(name[name.index(after: dot)...])
      let middle = rest.contains(".") ? FileKind.stem(rest) : ""
      if groups[key] == nil { keys.append(key) }
      groups[key, default: []].append(Part(file: file, middle: middle, kind: kind))
    }
    for key in keys { addSamples(key, groups[key]!, path) }
  }

  private mutating func addSamples(_ key: String, _ parts: [Part], _ path: String) {
    let captions = parts.filter { $0.kind == .caption }
    var images = parts.filter { $0.kind == .image }
    if images.isEmpty, !captions.isEmpty { images = parts.filter { $0.kind == .unknown } }
    for part in parts where part.kind != .caption && !images.contains(where: { $0.file.name == part.file.name }) {
      unused.add(UnusedFiles.kind(ofSuffix: part.file.name), "\(path):\(part.file.name)")
    }
    if images.isEmpty {
      guard let caption = captions.first else { return }
      skips.append((key, .missingImage, "the archive has the caption `\(caption.file.name)`, but no image with its name"))
      return
    }
    let middles = Set(images.map(\.middle))
    var used: Set<String> = []
    for image in images {
      // An image's own captions; else those of the key; else those that belong to no image.
      var own = captions.filter { $0.middle == image.middle }
      if own.isEmpty { own = captions.filter { $0.middle.isEmpty } }
      if own.isEmpty { own = captions.filter { !middles.contains($0.middle) } }
      let name = images.count == 1 ? key : image.file.name
      if own.isEmpty {
        let others = Set(parts.filter { $0.kind == .other || $0.kind == .unknown }.map { "." + FileKind.suffix($0.file.name) })
        let found = others.isEmpty ? "" : "; \(Columns.list(others.sorted())) is no caption"
        skips.append((name, .noCaption, "the archive has no \(key).txt, \(key).caption or \(key).json\(found)"))
      } else if !image.middle.isEmpty, middles.contains(""), own.allSatisfy({ $0.middle != image.middle }) {
        // KEY.mask.png beside KEY.jpg: the caption is of the image without a middle part.
        unused.add(UnusedFiles.furtherImages, "\(path):\(image.file.name)")
      } else {
        own.sort { FileKind.captionRank($0.file.name) < FileKind.captionRank($1.file.name) }
        used.formUnion(own.map(\.file.name))
        candidates.append(Candidate(name: name, image: image.file, captions: own.map(\.file)))
      }
    }
    for caption in captions where !used.contains(caption.file.name) {
      unused.add(UnusedFiles.kind(ofSuffix: caption.file.name), "\(path):\(caption.file.name)")
    }
  }
}
