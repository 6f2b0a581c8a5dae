import Errors
import Files
import Foundation

extension SampleValidator {
  /// Validates the samples of an archive. A plain archive's files are read from where they are. A compressed one can only be read
  /// from its start, so it is read twice: for its list, and for its images, which are copied.
  func validateArchive(_ path: String, source: Int, _ record: (ValidatedEntry) throws -> Void) throws {
    let index = try ArchiveIndex(path)
    for (name, reason, detail) in index.skips {
      var skip = Skip("\(path):\(name)", reason, detail)
      if reason == .duplicate { skip.keepsSample = true }
      try record(.skipped(skip))
    }
    for files in index.unused.all { unused.add(files) }
    let isCompressed = index.candidates.first.map { $0.image.member.offset == nil } ?? false
    if isCompressed {
      try validateCompressed(path, index, source: source, record)
    } else if !index.candidates.isEmpty {
      let file = try RandomAccessFile(path)
      for candidate in index.candidates {
        try validate(candidate, path, source: source, record) { member, location throws(Skip) in
          do {
            return Data(try file.read(member.offset!..<member.offset! + member.size))
          } catch { throw Skip(location, .unreadableImage, "\(error)") }
        } image: { _ in
          nil
        }
      }
    }
    if let damage = index.damage { try record(.skipped(Skip(path, .damagedSource, "\(damage)"))) }
  }

  /// Streams a compressed archive's images; the captions are in the index.
  private func validateCompressed(
    _ path: String, _ index: ArchiveIndex, source: Int, _ record: (ValidatedEntry) throws -> Void
  ) throws {
    let waiting = Dictionary(grouping: index.candidates, by: \.image.member.name)
    var seen: Set<String> = []
    var validated: Set<String> = []
    do {
      let tar = try TarReader(path)
      while let member = try tar.nextMember() {
        guard let candidates = waiting[member.name], seen.insert(member.name).inserted else { continue }
        let isRead = !member.isSparse && member.size <= filters.maximumBytes
        let contents = isRead ? try tar.contents() : Data()
        for candidate in candidates {
          validated.insert(candidate.name)
          try validate(candidate, path, source: source, record) { member, location throws(Skip) in
            index.captionContents[member.name] ?? contents
          } image: { bytes in
            try self.copies.add(bytes)
          }
        }
      }
    } catch let error as DalleError where error.kind == .data {
      // Usually the list ends at the same place.
      if index.damage == nil { try record(.skipped(Skip(path, .damagedSource, "\(error)"))) }
    }
    for candidate in index.candidates where !validated.contains(candidate.name) {
      let detail = "`\(candidate.image.name)` is where the archive is damaged or cut off, or behind that; copy the archive again"
      try record(.skipped(Skip("\(path):\(candidate.name)", .unreadableImage, detail)))
    }
  }

  /// - Parameters:
  ///   - read: gives the contents of a member.
  ///   - image: copies an image; nil if it stays in the archive.
  private func validate(
    _ candidate: ArchiveIndex.Candidate, _ path: String, source: Int, _ record: (ValidatedEntry) throws -> Void,
    read: @escaping (TarReader.Member, _ location: String) throws(Skip) -> Data, image copy: (Data) throws -> ImageLocation?
  ) throws {
    let location = "\(path):\(candidate.name)"
    let recordSkip = { (skip: Skip) in try record(.skipped(skip)) }
    let sparse = "is a sparse file, packed without its holes; pack it again without --sparse"
    let limit = filters.maximumBytes
    do {
      let files = candidate.captions.map { file in
        CaptionFile(name: file.name) { () throws(Skip) in
          if file.member.isSparse { throw Skip(location, .unreadableCaption, "`\(file.name)` \(sparse)") }
          guard file.member.size <= CaptionText.limit else {
            throw Skip(
              location, .unreadableCaption,
              "the caption file has \(file.member.size) bytes (at most \(CaptionText.limit)); shorten it, or remove it if it is no caption"
            )
          }
          return try read(file.member, location)
        }
      }
      let raw = try captions(files, source: source, location: location, recordSkip: recordSkip)
      let captions = try validCaptions(raw, location: location, recordSkip: recordSkip)
      let member = candidate.image.member
      if member.isSparse { throw Skip(location, .unreadableImage, "`\(member.name)` \(sparse)") }
      guard member.size <= limit else {
        throw Skip(location, .largeImage, "the image file has \(member.size) bytes (at most \(limit))")
      }
      let bytes = try read(member, location)
      var sample = try sample(
        bytes, ImageLocation(path, offset: member.offset ?? 0, size: bytes.count), captions, location: location, source: source)
      if let copied = try copy(bytes) { sample.image = copied }
      try record(.sample(sample))
    } catch let skip as Skip { try recordSkipped(skip, record) }
  }
}
