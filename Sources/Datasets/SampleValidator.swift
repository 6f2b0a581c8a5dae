import Errors
import Files
import Foundation
import Hashing
import Images

/// Validates what a scan found: reads captions, decodes images, applies the filters that look at one sample.
final class SampleValidator {
  private let options: DatasetOptions
  private let captionFilter: CaptionFilter
  let copies: ImageCopies
  private var captionFiles = CaptionFileCounts()
  private var captionCounts = CaptionCounts()
  /// Captions of the sample that is validated, which are lost if it is skipped.
  private var pendingCaptions = 0
  var unused = UnusedFileCounts()

  var filters: Filters { options.filters }

  /// - Parameter copies: gets the images of compressed archives.
  init(options: DatasetOptions, copies: ImageCopies) throws {
    (self.options, self.copies) = (options, copies)
    captionFilter = try CaptionFilter(options.filters)
  }

  /// Validates an entry; `record` gets each of its samples and skips, and then what was counted.
  func validate(_ entry: ScanEntry, _ record: (ValidatedEntry) throws -> Void) throws {
    (captionFiles, captionCounts, unused) = (CaptionFileCounts(), CaptionCounts(), UnusedFileCounts())
    switch entry {
    case .skipped(let skip):
      // Captions of an image whose path is none.
      captionCounts.found += skip.captions ?? 0
      captionCounts.drop(CaptionCounts.ofSkipped, skip.captions ?? 0)
      try record(.skipped(skip))
    case .unused(let files): unused.add(files)
    case .note(let line): try record(.note(line))
    case .archive(let path, let source): try validateArchive(path, source: source, record)
    case .image(let candidate):
      do {
        try record(.sample(try sample(candidate, recordSkip: { try record(.skipped($0)) })))
      } catch let skip as Skip { try recordSkipped(skip, record) }
    }
    for files in unused.all { try record(.unused(files)) }
    if captionFiles.files > 0 { try record(.captionFiles(captionFiles)) }
    if captionCounts.found > 0 { try record(.captions(captionCounts)) }
  }

  /// Records that the sample that is validated is skipped, with its captions.
  func recordSkipped(_ skip: Skip, _ record: (ValidatedEntry) throws -> Void) throws {
    captionCounts.drop(CaptionCounts.ofSkipped, pendingCaptions)
    pendingCaptions = 0
    try record(.skipped(skip))
  }

  func columns(ofSource source: Int) -> Columns { options.sources[source].columns ?? options.columns }

  private func sample(_ candidate: Candidate, recordSkip: (Skip) throws -> Void) throws -> Sample {
    let location = candidate.location
    let raw: [String]
    switch candidate.captions {
    case .inline(let captions): raw = captions
    case .files(let paths):
      let files = paths.map { path in
        CaptionFile(name: path) { () throws(Skip) in try Self.captionFile(path, location) }
      }
      raw = try captions(files, source: candidate.source, location: location, recordSkip: recordSkip)
    }
    let captions = try validCaptions(raw, location: location, recordSkip: recordSkip)
    let bytes: Data
    do {
      let path = candidate.image.path
      if access(path, F_OK) != 0, errno == ENOENT || errno == ELOOP {
        throw Skip(location, .missingImage, brokenLink(in: path) ?? "\(path): there is no such file")
      }
      let size = try fileSize(path)
      guard size <= filters.maximumBytes else {
        throw Skip(location, .largeImage, "\(path) has \(size) bytes (at most \(filters.maximumBytes))")
      }
      bytes = try readFile(path)
    } catch let error as DalleError { throw Skip(location, .unreadableImage, "\(error)") }
    var sample = try sample(
      bytes, ImageLocation(candidate.image.path, size: bytes.count), captions, location: location, source: candidate.source)
    sample.folderRepeats = candidate.folderRepeats
    return sample
  }

  private static func captionFile(_ path: String, _ location: String) throws(Skip) -> Data {
    do {
      let size = try fileSize(path)
      guard size <= CaptionText.limit else {
        throw Skip(
          location, .unreadableCaption,
          "\(path) has \(size) bytes (at most \(CaptionText.limit)); shorten it, or remove it if it is no caption")
      }
      return try readFile(path)
    } catch let skip as Skip { throw skip } catch { throw Skip(location, .unreadableCaption, "\(error)") }
  }

  /// A caption file or member, read when it is needed.
  struct CaptionFile {
    let name: String
    let read: () throws(Skip) -> Data
  }

  /// The captions of the first file that has one. A file before it that cannot be read is recorded.
  ///
  /// - Throws: `Skip` for the first file, if none has a caption.
  func captions(_ files: [CaptionFile], source: Int, location: String, recordSkip: (Skip) throws -> Void) throws -> [String] {
    var problems: [Skip] = []
    for (position, file) in files.enumerated() {
      do {
        let contents = try CaptionText.contents(
          file.read(), name: (file.name as NSString).lastPathComponent, columns: columns(ofSource: source),
          form: options.captionForm,
          location: location)
        if contents.captions.allSatisfy({ CaptionText.clean($0).isEmpty }) { continue }
        captionFiles.files += 1
        if contents.lines > 1 { captionFiles.severalLines += 1 }
        for other in files[(position + 1)...] { unused.add(UnusedFiles.furtherCaptions, other.name) }
        for var skip in problems + contents.unusable.map({ Skip(location, .unreadableCaption, $0) }) {
          skip.keepsSample = true
          try recordSkip(skip)
        }
        return contents.captions
      } catch let skip as Skip { problems.append(skip) }
    }
    throw problems.first ?? Skip(location, .noCaption, "the caption is empty")
  }

  /// Captions that pass the filters. The others are recorded as skips; if none passes, the sample is skipped.
  func validCaptions(_ raw: [String], location: String, recordSkip: (Skip) throws -> Void) throws -> [String] {
    var captions: [String] = []
    var known: Set<String> = []
    var skips: [Skip] = []
    pendingCaptions = 0
    for text in raw {
      if text.unicodeScalars.contains("\0") {
        skips.append(Skip(location, .unreadableCaption, "the caption contains a NUL byte"))
        captionCounts.found += 1
        captionCounts.drop(SkipReason.unreadableCaption.rawValue)
        continue
      }
      let caption = CaptionText.clean(text)
      if caption.isEmpty { continue }
      captionCounts.found += 1
      if let (reason, detail) = captionFilter.problem(caption) {
        skips.append(Skip(location, reason, String(detail.prefix(300))))
        captionCounts.drop(reason.rawValue)
      } else if known.insert(caption).inserted {
        captions.append(caption)
      } else {
        captionCounts.drop(CaptionCounts.repeated)
      }
    }
    pendingCaptions = captions.count
    if captions.isEmpty { throw skips.first ?? Skip(location, .noCaption, "the caption is empty") }
    for var skip in skips {
      skip.keepsSample = true
      try recordSkip(skip)
    }
    return captions
  }

  /// The sample of an image's bytes.
  func sample(
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
    pendingCaptions = 0
    return Sample(
      location: location, image: imageLocation, captions: captions, source: source, width: image.width, height: image.height,
      contentHash: String(SHA256.hex(of: bytes).prefix(16)), signature: ImageSignature(image))
  }
}
