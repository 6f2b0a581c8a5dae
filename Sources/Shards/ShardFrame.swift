import Tokens

/// The samples of a decompressed frame. A sample is the number of captions, the length and tokens of each caption, and the
/// [grid · grid] tokens of the image; everything a `Token`.
package struct ShardFrame: Sendable {
  private let tokens: [Token]
  /// Index of each sample's first token.
  private let starts: [Int]
  private let imageCount: Int

  struct Problem: Error {
    let problem: String
  }

  /// - Throws: `Problem` for samples that do not match the header.
  init(_ tokens: [Token], samples: Int, _ header: ShardHeader) throws(Problem) {
    let imageCount = header.grid * header.grid
    var starts: [Int] = []
    starts.reserveCapacity(samples)
    var offset = 0
    // Indices are checked here once for the whole frame, and the largest tokens are found with vector instructions.
    let problem = tokens.withUnsafeBufferPointer { tokens -> String? in
      func check(_ count: Int, limit: Int, _ sample: Int, _ what: String) -> String? {
        guard offset + count <= tokens.count else { return " ends in sample \(sample)" }
        var most: Token = 0
        for index in offset..<offset + count { most = max(most, tokens[index]) }
        offset += count
        if count == 0 || Int(most) < limit { return nil }
        return ", sample \(sample): has \(what) \(most) (vocabulary \(limit))"
      }
      for sample in 0..<samples {
        starts.append(offset)
        guard offset < tokens.count else { return " ends in sample \(sample)" }
        let captions = Int(tokens[offset])
        offset += 1
        guard (1...TokenSample.captionLimit).contains(captions) else {
          return ", sample \(sample): has \(captions) captions (1 to \(TokenSample.captionLimit))"
        }
        for _ in 0..<captions {
          guard offset < tokens.count else { return " ends in sample \(sample)" }
          let length = Int(tokens[offset])
          offset += 1
          guard length <= header.textLength else {
            return ", sample \(sample): has a caption of \(length) tokens (at most \(header.textLength))"
          }
          if let problem = check(length, limit: header.textVocabulary, sample, "text token") { return problem }
        }
        if let problem = check(imageCount, limit: header.imageVocabulary, sample, "image token") { return problem }
      }
      return offset == tokens.count ? nil : " has \(2 * (tokens.count - offset)) bytes after its last sample"
    }
    if let problem { throw Problem(problem: problem) }
    (self.tokens, self.starts, self.imageCount) = (tokens, starts, imageCount)
  }

  package var count: Int { starts.count }

  /// The samples with all their captions.
  package var samples: [TokenSample] {
    (0..<count).map { index in
      let (texts, image) = parts(index)
      return TokenSample(texts: texts.map { Array(tokens[$0]) }, image: Array(tokens[image]))
    }
  }

  /// A sample with one of its captions: `choose` gets the number of captions.
  func pair(_ index: Int, choose: (Int) -> Int) -> TokenPair {
    let (texts, image) = parts(index)
    return TokenPair(text: Array(tokens[texts[choose(texts.count)]]), image: Array(tokens[image]))
  }

  private func parts(_ index: Int) -> (texts: [Range<Int>], image: Range<Int>) {
    var offset = starts[index] + 1
    let texts = (0..<Int(tokens[offset - 1])).map { _ in
      let start = offset + 1
      offset = start + Int(tokens[offset])
      return start..<offset
    }
    return (texts, offset..<offset + imageCount)
  }
}
