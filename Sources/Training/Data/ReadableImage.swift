import Datasets
import Errors
import Images

extension CaptionedImages {
  /// Image `index`, or the next one that can be read. An unreadable image is skipped with a warning, and does not end training.
  ///
  /// - Throws: `DalleError` if ten consecutive images cannot be read.
  func readableImage(_ index: Int, _ split: Split, forCropsOf size: Int, warn: (String) -> Void) throws -> Image {
    let attempts = min(10, count(split))
    var problem = ""
    for attempt in 0..<attempts {
      let candidate = (index + attempt) % count(split)
      do {
        return try image(candidate, split, forCropsOf: size)
      } catch {
        problem = "\(error)"
        warn(problem)
      }
    }
    throw DalleError(
      .data,
      "\(attempts) consecutive images cannot be read (the last: \(problem)); repair the dataset, or collect it again without them")
  }
}
