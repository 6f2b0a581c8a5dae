import Images

/// What a picture is used for.
package enum Split: String, Sendable, CaseIterable {
  case training = "train"
  /// Never trained on.
  case validation
}

/// Captioned pictures that can be asked for by number, in any order, from any thread.
package protocol ImageSource: Sendable {
  /// Tells this source from others: what is made of pictures is made anew when it changes.
  func identity() throws -> String
  func count(_ split: Split) -> Int
  /// At least one caption.
  func captions(_ index: Int, _ split: Split) throws -> [String]
  /// The picture as it is stored, before cropping. Throws if it cannot be read.
  ///
  /// - Parameter side: of the crops that it is wanted for: a picture much larger may come reduced, which is faster.
  func picture(_ index: Int, _ split: Split, forCropsOf side: Int?) throws -> Image
  /// What the sample is called in messages.
  func name(_ index: Int, _ split: Split) throws -> String
  /// Prompts for the sample pictures of a training.
  func prompts(_ count: Int) throws -> [String]
}
