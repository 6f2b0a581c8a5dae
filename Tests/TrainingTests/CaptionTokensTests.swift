import Datasets
import Images
import Testing
import Tokenizer

@testable import Preparation

private struct Captions: CaptionedImages {
  let captions: [[String]]

  func identity() -> String { "" }
  func count(_ split: Split) -> Int { captions.count }
  func captions(_ index: Int, _ split: Split) -> [String] { captions[index] }
  func image(_ index: Int, _ split: Split, forCropsOf side: Int?) throws -> Image { Image(width: 1, height: 1, (0, 0, 0)) }
  func location(_ index: Int, _ split: Split) -> String { "\(index)" }
  func prompts(_ count: Int) -> [String] { [] }
}

/// Without merges a caption has as many tokens as bytes.
private func tokens(_ lengths: [Int], textLength: Int) throws -> (counts: CaptionTokens, warning: String?) {
  let data = Captions(captions: lengths.map { [String(repeating: "x", count: $0)] })
  let counts = try CaptionTokens(data, BPETrainer(split: .gpt2).train(vocabulary: 256), textLength: textLength)
  return (counts, try counts.warning(data, split: .gpt2, vocabulary: 256))
}

@Test(arguments: [
  ([0], 16), ([1], 16), ([12, 3], 16), ([13], 16), ([14], 32), ([26], 32), ([100, 7], 128), ([220], 256), ([256], 256),
])
func anAutomaticTextContextFitsTheLongestCaption(lengths: [Int], expected: Int) throws {
  let (counts, warning) = try tokens(lengths, textLength: 0)
  #expect(counts.textLength == expected && counts.longest == lengths.max() && counts.truncated == 0 && warning == nil)
}

@Test func captionsBeyondAnAutomaticTextContextAreCounted() throws {
  let (counts, warning) = try tokens([300, 257, 5], textLength: 0)
  #expect(counts.textLength == 256 && counts.truncated == 2)
  #expect(warning?.contains("2 of 3 captions are longer than 256 tokens, the most that an automatic") == true, "\(warning ?? "")")
}

@Test func aTextContextThatIsSetIsKept() throws {
  let (counts, warning) = try tokens([30, 41], textLength: 40)
  #expect(counts.textLength == 40 && counts.truncated == 1)
  #expect(warning?.hasPrefix("1 of 2 captions are longer than `transformer.model.textLength` 40 (") == true, "\(warning ?? "")")
}
