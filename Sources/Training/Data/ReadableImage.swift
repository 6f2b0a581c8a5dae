import Datasets
import Errors
import Images

extension ImageSource {
  /// Picture `index`, or the next one that can be read: a bad file is reported and passed over, and does not end a training.
  func readable(_ index: Int, _ split: Split, forCropsOf size: Int, warn: (String) -> Void) throws -> Image {
    var problem = ""
    // A source in which ten pictures in a row are bad is not worth going on with.
    for attempt in 0..<min(10, count(split)) {
      let candidate = (index + attempt) % count(split)
      do {
        return try picture(candidate, split, forCropsOf: size)
      } catch {
        problem = "\(error)"
        warn(problem)
      }
    }
    throw DalleError(
      .data, "ten images in a row cannot be read, the last: \(problem); mend the dataset, or collect it again without them")
  }
}
