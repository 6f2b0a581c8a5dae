import Errors
import Files
import Foundation
import Hashing
import Images

/// Looks at what sources list: reads captions, decodes pictures, applies the filters that need one sample alone.
struct Examiner {
  private let columns: Columns
  private let filters: Filters
  private let captionFilter: CaptionFilter
  private let copies: ImageCopies

  /// - Parameter copies: gets the images of compressed archives.
  init(columns: Columns, filters: Filters, copies: ImageCopies) throws {
    (self.columns, self.filters, self.copies) = (columns, filters, copies)
    captionFilter = try CaptionFilter(filters)
  }

  /// Examines an item; `found` gets each of its samples, or why there is none.
  func examine(_ item: ListedItem, _ found: (Result<Sample, Skip>) throws -> Void) throws {
    switch item {
    case .skipped(let skip): try found(.failure(skip))
    case .archive(let path, let source): try examineArchive(path, source: source, found)
    case .picture(let candidate):
      do {
        try found(.success(try sample(candidate, report: { try found(.failure($0)) })))
      } catch let skip as Skip { try found(.failure(skip)) }
    }
  }

  private func sample(_ candidate: Candidate, report: (Skip) throws -> Void) throws -> Sample {
    let raw: [String]
    switch candidate.captions {
    case .given(let captions): raw = captions
    case .file(let path):
      do {
        let size = try fileSize(path)
        guard size <= CaptionText.limit else {
          throw Skip(candidate.place, .unreadableCaption, "\(path) has \(size) bytes; at most \(CaptionText.limit)")
        }
        raw = try CaptionText.captions(
          readFile(path), isJSON: path.hasSuffix(".json"), keys: columns.captions, place: candidate.place)
      } catch let error as DalleError { throw Skip(candidate.place, .unreadableCaption, "\(error)") }
    }
    let captions = try usable(raw, place: candidate.place, report: report)
    let bytes: Data
    do {
      let path = candidate.picture.path
      if access(path, F_OK) != 0, errno == ENOENT {
        throw Skip(candidate.place, .missingPicture, "\(path): there is no such file")
      }
      let size = try fileSize(path)
      guard size <= filters.maximumBytes else {
        throw Skip(candidate.place, .largePicture, "\(path) has \(size) bytes; at most \(filters.maximumBytes)")
      }
      bytes = try readFile(path)
    } catch let error as DalleError { throw Skip(candidate.place, .unreadablePicture, "\(error)") }
    return try sample(
      bytes, ImageLocation(candidate.picture.path, size: bytes.count), captions, place: candidate.place, source: candidate.source)
  }

  /// Captions that pass the filters; the others are reported. With none left the sample is skipped.
  private func usable(_ raw: [String], place: String, report: (Skip) throws -> Void) throws -> [String] {
    var captions: [String] = []
    var problems: [Skip] = []
    for text in raw {
      if text.unicodeScalars.contains("\0") {
        problems.append(Skip(place, .unreadableCaption, "the caption holds a NUL byte"))
        continue
      }
      let caption = CaptionText.clean(text)
      if caption.isEmpty { continue }
      if let (reason, detail) = captionFilter.problem(caption) {
        problems.append(Skip(place, reason, String(detail.prefix(300))))
      } else if !captions.contains(caption) {
        captions.append(caption)
      }
    }
    if captions.isEmpty { throw problems.first ?? Skip(place, .noCaption, "the caption is empty") }
    for var problem in problems {
      problem.sampleStays = true
      try report(problem)
    }
    return captions
  }

  private func sample(
    _ bytes: Data, _ location: ImageLocation, _ captions: [String], place: String, source: Int
  ) throws(Skip) -> Sample {
    let picture: Image
    do {
      picture = try Image(data: bytes, pixelLimit: filters.maximumPixels)
    } catch { throw Skip(place, error.reason == .tooLarge ? .largePicture : .unreadablePicture, error.detail) }
    let (short, long) = (min(picture.width, picture.height), max(picture.width, picture.height))
    if short < filters.minimumSide {
      throw Skip(place, .smallPicture, "\(picture.width) x \(picture.height) pixels; the shorter side needs \(filters.minimumSide)")
    }
    if filters.aspectRatio > 0, Double(long) > filters.aspectRatio * Double(short) {
      throw Skip(place, .aspectRatio, "\(picture.width) x \(picture.height) pixels; at most \(filters.aspectRatio) to 1")
    }
    return Sample(
      place: place, picture: location, captions: captions, source: source, width: picture.width, height: picture.height,
      content: String(SHA256.hex(of: bytes).prefix(16)), look: ImageSignature(picture))
  }

  // MARK: Archives

  private static let imageKinds = ["jpg", "jpeg", "png", "webp", "gif"]
  private static let captionKinds = ["txt", "json"]

  /// A file of an archive, with its contents if it may become part of a sample.
  private struct ArchiveFile {
    let kind: String
    let member: TarReader.Member
    let contents: Data?
  }

  /// Neighbours in an archive with the same name up to the first dot make up a sample (WebDataset).
  private struct Group {
    let key: String
    var files: [ArchiveFile] = []

    subscript(kinds: [String]) -> ArchiveFile? {
      kinds.lazy.compactMap { kind in files.first { $0.kind == kind } }.first
    }
  }

  private func examineArchive(_ path: String, source: Int, _ found: (Result<Sample, Skip>) throws -> Void) throws {
    var damage: (any Error)?
    /// What the archive gives, or nil at its end and where it is damaged.
    func attempt<Value>(_ read: () throws -> Value?) -> Value? {
      do {
        return try read()
      } catch {
        damage = error
        return nil
      }
    }
    var group = Group(key: "")
    func close() throws {
      do {
        if let sample = try sample(group, path, source: source, report: { try found(.failure($0)) }) {
          try found(.success(sample))
        }
      } catch let skip as Skip { try found(.failure(skip)) }
    }
    if let tar = attempt({ try TarReader(path) }) {
      while let member = attempt(tar.nextMember) {
        let folder = (member.name as NSString).deletingLastPathComponent
        let name = (member.name as NSString).lastPathComponent
        guard !name.hasPrefix("."), let dot = name.firstIndex(of: ".") else { continue }
        let key = (folder.isEmpty ? "" : folder + "/") + name[..<dot]
        let kind = name[name.index(after: dot)...].lowercased()
        if key != group.key {
          try close()
          group = Group(key: key)
        }
        if group[[kind]] != nil {
          var skip = Skip("\(path):\(key)", .duplicate, "`\(member.name)` is there twice; the first is used")
          skip.sampleStays = true
          try found(.failure(skip))
          continue
        }
        var contents: Data?
        if !member.isSparse, let limit = byteLimit(kind), member.size <= limit {
          contents = attempt(tar.contents)
          if contents == nil { break }
        }
        group.files.append(ArchiveFile(kind: kind, member: member, contents: contents))
      }
    }
    try close()
    if let damage { try found(.failure(Skip(path, .damagedSource, "\(damage)"))) }
  }

  /// Bytes that a file of this kind may have; nil for those that samples have no use for.
  private func byteLimit(_ kind: String) -> Int? {
    if Self.imageKinds.contains(kind) { return filters.maximumBytes }
    return Self.captionKinds.contains(kind) ? CaptionText.limit : nil
  }

  /// The sample of a group, or nil if it holds neither image nor caption.
  private func sample(_ group: Group, _ path: String, source: Int, report: (Skip) throws -> Void) throws -> Sample? {
    let place = "\(path):\(group.key)"
    let caption = group[Self.captionKinds]
    guard let image = group[Self.imageKinds] else {
      if caption == nil { return nil }
      throw Skip(place, .missingPicture, "the archive holds its caption alone")
    }
    guard let caption else { throw Skip(place, .noCaption, "there is no \(group.key).txt or \(group.key).json in the archive") }
    let sparse = "is a sparse file, packed without its holes; pack it again without --sparse"
    if caption.member.isSparse { throw Skip(place, .unreadableCaption, "`\(caption.member.name)` \(sparse)") }
    if image.member.isSparse { throw Skip(place, .unreadablePicture, "`\(image.member.name)` \(sparse)") }
    guard let text = caption.contents else {
      throw Skip(place, .unreadableCaption, "the caption has \(caption.member.size) bytes; at most \(CaptionText.limit)")
    }
    guard let bytes = image.contents else {
      throw Skip(place, .largePicture, "the image has \(image.member.size) bytes; at most \(filters.maximumBytes)")
    }
    let raw = try CaptionText.captions(text, isJSON: caption.kind == "json", keys: columns.captions, place: place)
    let captions = try usable(raw, place: place, report: report)
    var sample = try sample(
      bytes, ImageLocation(path, offset: image.member.offset ?? 0, size: bytes.count), captions, place: place, source: source)
    if image.member.offset == nil { sample.picture = try copies.add(bytes) }
    return sample
  }
}
