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

  init(columns: Columns, filters: Filters) throws {
    (self.columns, self.filters) = (columns, filters)
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

  /// Neighbours in an archive with the same name up to the first dot make up a sample (WebDataset).
  private struct Group {
    let key: String
    var members: [(kind: String, member: TarReader.Member)] = []

    subscript(kinds: [String]) -> TarReader.Member? {
      kinds.lazy.compactMap { kind in members.first { $0.kind == kind }?.member }.first
    }
  }

  private func examineArchive(_ path: String, source: Int, _ found: (Result<Sample, Skip>) throws -> Void) throws {
    do {
      let tar = try TarReader(path)
      var group = Group(key: "")
      var damage: (any Error)?
      func next() -> TarReader.Member? {
        do {
          return try tar.nextMember()
        } catch {
          damage = error
          return nil
        }
      }
      func close() throws {
        do {
          if let sample = try sample(group, tar, path, source: source, report: { try found(.failure($0)) }) {
            try found(.success(sample))
          }
        } catch let skip as Skip { try found(.failure(skip)) }
      }
      while let member = next() {
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
        } else {
          group.members.append((kind, member))
        }
      }
      try close()
      if let damage { throw damage }
    } catch let damage as TarReader.Damage {
      try found(.failure(Skip(path, .damagedSource, damage.description)))
    } catch let error as DalleError {
      try found(.failure(Skip(path, .damagedSource, "\(error)")))
    }
  }

  /// The sample of a group, or nil if it holds neither picture nor caption.
  private func sample(
    _ group: Group, _ tar: TarReader, _ path: String, source: Int, report: (Skip) throws -> Void
  ) throws -> Sample? {
    let place = "\(path):\(group.key)"
    let image = group[["jpg", "jpeg", "png", "webp", "gif"]]
    let caption = group[["txt", "json"]]
    guard let image else {
      if caption == nil { return nil }
      throw Skip(place, .missingPicture, "the archive holds its caption alone")
    }
    guard let caption else { throw Skip(place, .noCaption, "there is no \(group.key).txt or \(group.key).json in the archive") }
    guard caption.size <= CaptionText.limit else {
      throw Skip(place, .unreadableCaption, "the caption has \(caption.size) bytes; at most \(CaptionText.limit)")
    }
    guard image.size <= filters.maximumBytes else {
      throw Skip(place, .largePicture, "the picture has \(image.size) bytes; at most \(filters.maximumBytes)")
    }
    let raw = try CaptionText.captions(
      tar.bytes(of: caption), isJSON: group[["txt"]] == nil, keys: columns.captions, place: place)
    let captions = try usable(raw, place: place, report: report)
    return try sample(
      tar.bytes(of: image), ImageLocation(path, offset: image.offset, size: image.size), captions, place: place, source: source)
  }
}
