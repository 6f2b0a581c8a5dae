import Images

/// What a sample is used for.
package enum Split: String, Sendable, CaseIterable {
  case training = "train"
  /// Never trained on.
  case validation
}

/// The data of a run: images with captions, read by index, in any order, from any thread.
package protocol CaptionedImages: Sendable {
  /// A value that changes with the data; what was made from the data is then made again.
  func identity() throws -> String
  func count(_ split: Split) -> Int
  /// At least one caption.
  func captions(_ index: Int, _ split: Split) throws -> [String]
  /// The image as it is stored, before cropping.
  ///
  /// - Parameter side: of the crops to be made, in pixels; a much larger image may be decoded at reduced size, which is faster.
  /// - Throws: `DalleError` if the image cannot be read.
  func image(_ index: Int, _ split: Split, forCropsOf side: Int?) throws -> Image
  /// Names the sample in messages.
  func location(_ index: Int, _ split: Split) throws -> String
  /// Prompts for the sample images that training generates.
  func prompts(_ count: Int) throws -> [String]
}
