import Errors
import Files
import Foundation
import Hashing
import Images

/// Validates what a scan found: reads captions, decodes images, applies the filters that look at one sample.
struct SampleValidator {
  private let columns: Columns
  private let filters: Filters
  private let captionFilter: CaptionFilter
  private let copies: ImageCopies

  /// - Parameter copies: gets the images of compressed archives.
  init(columns: Columns, filters: Filters, copies: ImageCopies) throws {
    (self.columns, self.filters, self.copies) = (columns, filters, copies)
    captionFilter = try CaptionFilter(filters)
  }

  /// Validates an entry; `record` gets each of its samples and skips.
  func validate(_ entry: ScanEntry, _ record: (Result<Sample, Skip>) throws -> Void) throws {
    switch entry {
    case .skipped(let skip): try record(.failure(skip))
    case .archive(let path, let source): try validateArchive(path, source: source, record)
    case .image(let candidate):
      do {
        try record(.success(try sample(candidate, recordSkip: { try record(.failure($0)) })))
      } catch let skip as Skip { try record(.failure(skip)) }
    }
  }

  private func sample(_ candidate: Candidate, recordSkip: (Skip) throws -> Void) throws -> Sample {
    let location = candidate.location
    let raw: [String]
    switch candidate.captions {
    case .inline(let captions): raw = captions
    case .file(let path):
      do {
        let size = try fileSize(path)
        guard size <= CaptionText.limit else {
          throw Skip(location, .unreadableCaption, "\(path) has \(size) bytes (at most \(CaptionText.limit))")
        }
        raw = try CaptionText.captions(
          readFile(path), isJSON: path.hasSuffix(".json"), keys: columns.captions, location: location)
      } catch let error as DalleError { throw Skip(location, .unreadableCaption, "\(error)") }
    }
    let captions = try validCaptions(raw, location: location, recordSkip: recordSkip)
    let bytes: Data
    do {
      let path = candidate.image.path
      if access(path, F_OK) != 0, errno == ENOENT {
        throw Skip(location, .missingImage, "\(path): there is no such file")
      }
      let size = try fileSize(path)
      guard size <= filters.maximumBytes else {
        throw Skip(location, .largeImage, "\(path) has \(size) bytes (at most \(filters.maximumBytes))")
      }
      bytes = try readFile(path)
    } catch let error as DalleError { throw Skip(location, .unreadableImage, "\(error)") }
    return try sample(
      bytes, ImageLocation(candidate.image.path, size: bytes.count), captions, location: location, source: candidate.source)
  }

  /// Captions that pass the filters. The others are recorded as skips; if none passes, the sample is skipped.
  private func validCaptions(_ raw: [String], location: String, recordSkip: (Skip) throws -> Void) throws -> [String] {
    var captions: [String] = []
    var skips: [Skip] = []
    for text in raw {
      if text.unicodeScalars.contains("\0") {
        skips.append(Skip(location, .unreadableCaption, "the caption contains a NUL byte"))
        continue
      }
      let caption = CaptionText.clean(text)
      if caption.isEmpty { continue }
      if let (reason, detail) = captionFilter.problem(caption) {
        skips.append(Skip(location, reason, String(detail.prefix(300))))
      } else if !captions.contains(caption) {
        captions.append(caption)
      }
    }
    if captions.isEmpty { throw skips.first ?? Skip(location, .noCaption, "the caption is empty") }
    for var skip in skips {
      skip.keepsSample = true
      try recordSkip(skip)
    }
    return captions
  }

  private func sample(
    _ bytes: Data, _ imageLocation: ImageLocation, _ captions: [String], location: String, source: Int
  ) throws(Skip) -> Sample {
    let image: Image
    do {
      image = try Image(data: bytes, pixelLimit: filters.maximumPixels)
    } catch { throw Skip(location, error.reason == .tooLarge ? .largeImage : .unreadableImage, error.detail) }
    let (short, long) = (min(image.width, image.height), max(image.width, image.height))
    let size = "the image has \(image.width) x \(image.height) pixels"
    if short < filters.minimumSide {
      throw Skip(location, .smallImage, "\(size) (the shorter side at least \(filters.minimumSide))")
    }
    if filters.aspectRatio > 0, Double(long) > filters.aspectRatio * Double(short) {
      throw Skip(location, .aspectRatio, "\(size) (the longer side at most \(filters.aspectRatio) times the shorter)")
    }
    return Sample(
      location: location, image: imageLocation, captions: captions, source: source, width: image.width, height: image.height,
      contentHash: String(SHA256.hex(of: bytes).prefix(16)), signature: ImageSignature(image))
  }

  // MARK: Archives

  private static let imageExtensions = ["jpg", "jpeg", "png", "webp", "gif"]
  private static let captionExtensions = ["txt", "json"]

  /// A member of an archive, with its contents if it may be part of a sample.
  private struct ArchiveFile {
    let fileExtension: String
    let member: TarReader.Member
    let contents: Data?
  }

  /// Consecutive members with the same name up to the first dot, which are a sample (WebDataset).
  private struct Group {
    let key: String
    var files: [ArchiveFile] = []

    /// The file with the first of `extensions` that exists.
    subscript(extensions: [String]) -> ArchiveFile? {
      extensions.lazy.compactMap { fileExtension in files.first { $0.fileExtension == fileExtension } }.first
    }
  }

  private func validateArchive(_ path: String, source: Int, _ record: (Result<Sample, Skip>) throws -> Void) throws {
    var damage: (any Error)?
    /// What `read` returns; nil at the archive's end and where it is damaged.
    func attempt<Value>(_ read: () throws -> Value?) -> Value? {
      do {
        return try read()
      } catch {
        damage = error
        return nil
      }
    }
    var group = Group(key: "")
    func closeGroup() throws {
      do {
        if let sample = try sample(group, path, source: source, recordSkip: { try record(.failure($0)) }) {
          try record(.success(sample))
        }
      } catch let skip as Skip { try record(.failure(skip)) }
    }
    if let tar = attempt({ try TarReader(path) }) {
      while let member = attempt(tar.nextMember) {
        let folder = (member.name as NSString).deletingLastPathComponent
        let name = (member.name as NSString).lastPathComponent
        guard !name.hasPrefix("."), let dot = name.firstIndex(of: ".") else { continue }
        let key = (folder.isEmpty ? "" : folder + "/") + name[..<dot]
        let fileExtension = name[name.index(after: dot)...].lowercased()
        if key != group.key {
          try closeGroup()
          group = Group(key: key)
        }
        if group[[fileExtension]] != nil {
          var skip = Skip("\(path):\(key)", .duplicate, "the archive has `\(member.name)` twice; the first is used")
          skip.keepsSample = true
          try record(.failure(skip))
          continue
        }
        var contents: Data?
        if !member.isSparse, let limit = byteLimit(fileExtension), member.size <= limit {
          contents = attempt(tar.contents)
          if contents == nil { break }
        }
        group.files.append(ArchiveFile(fileExtension: fileExtension, member: member, contents: contents))
      }
    }
    try closeGroup()
    if let damage { try record(.failure(Skip(path, .damagedSource, "\(damage)"))) }
  }

  /// Bytes that a file with this extension may have; nil for files that samples do not use.
  private func byteLimit(_ fileExtension: String) -> Int? {
    if Self.imageExtensions.contains(fileExtension) { return filters.maximumBytes }
    return Self.captionExtensions.contains(fileExtension) ? CaptionText.limit : nil
  }

  /// The sample of a group; nil for a group without image and caption.
  private func sample(_ group: Group, _ path: String, source: Int, recordSkip: (Skip) throws -> Void) throws -> Sample? {
    let location = "\(path):\(group.key)"
    let caption = group[Self.captionExtensions]
    guard let image = group[Self.imageExtensions] else {
      if caption == nil { return nil }
      throw Skip(location, .missingImage, "the archive has the caption, but no image beside it")
    }
    guard let caption else { throw Skip(location, .noCaption, "the archive has no \(group.key).txt or \(group.key).json") }
    let sparse = "is a sparse file, packed without its holes; pack it again without --sparse"
    if caption.member.isSparse { throw Skip(location, .unreadableCaption, "`\(caption.member.name)` \(sparse)") }
    if image.member.isSparse { throw Skip(location, .unreadableImage, "`\(image.member.name)` \(sparse)") }
    guard let text = caption.contents else {
      throw Skip(location, .unreadableCaption, "the caption file has \(caption.member.size) bytes (at most \(CaptionText.limit))")
    }
    guard let bytes = image.contents else {
      throw Skip(location, .largeImage, "the image file has \(image.member.size) bytes (at most \(filters.maximumBytes))")
    }
    let raw = try CaptionText.captions(text, isJSON: caption.fileExtension == "json", keys: columns.captions, location: location)
    let captions = try validCaptions(raw, location: location, recordSkip: recordSkip)
    var sample = try sample(
      bytes, ImageLocation(path, offset: image.member.offset ?? 0, size: bytes.count), captions, location: location, source: source)
    if image.member.offset == nil { sample.image = try copies.add(bytes) }
    return sample
  }
}
