import Errors
import Files
import Foundation
import Tokens

extension Tokenizer {
  /// The tokenizer in the format of Hugging Face's `tokenizers`, which gives the same ids.
  package func json() -> Data {
    var vocabulary: [String: Int] = [:]
    for token in 0..<vocabularyCount { vocabulary[ByteAlphabet.text(bytes(of: Token(token)))] = token }
    let name = { (token: Token) in ByteAlphabet.text(bytes(of: token)) }
    let object: [String: Any] = [
      "version": "1.0", "truncation": NSNull(), "padding": NSNull(), "added_tokens": [Any](),
      "normalizer": ["type": "Lowercase"],
      "pre_tokenizer": split.json,
      "post_processor": NSNull(),
      "decoder": ["type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false],
      "model": [
        "type": "BPE", "dropout": NSNull(), "unk_token": NSNull(), "continuing_subword_prefix": NSNull(),
        "end_of_word_suffix": NSNull(), "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
        "vocab": vocabulary, "merges": merges.map { "\(name($0.left)) \(name($0.right))" },
      ] as [String: Any],
    ]
    // Strings, numbers and lists always serialize.
    return try! JSONSerialization.data(withJSONObject: object, options: [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes])
  }

  package func write(to path: String) throws { try replaceFile(path, with: json()) }

  /// Reads a tokenizer that this project wrote.
  ///
  /// - Throws: `DalleError` for a file that cannot be read, is damaged, or has an unsupported model, normalizer or pre-tokenizer.
  package init(contentsOf path: String) throws {
    func damage(_ problem: String) -> DalleError {
      DalleError(.data, "\(path): \(problem); restore it, or train a tokenizer with dalle-prep tokenizer")
    }
    let data = try readFile(path)
    guard let object = try? JSONSerialization.jsonObject(with: data) as? [String: Any],
      let model = object["model"] as? [String: Any], let vocabulary = model["vocab"] as? [String: Int],
      let merges = model["merges"] as? [String], model["type"] as? String == "BPE"
    else { throw damage("is not a BPE tokenizer in JSON") }
    let rule = object["pre_tokenizer"] as? NSDictionary
    guard let split = PreTokenizer.allCases.first(where: { rule == $0.json as NSDictionary }),
      (object["normalizer"] as? [String: Any])?["type"] as? String == "Lowercase"
    else {
      throw DalleError(
        .data,
        "\(path): its pre_tokenizer or normalizer is not supported; train a tokenizer with dalle-prep tokenizer")
    }
    guard vocabulary.count == 256 + merges.count, vocabulary.count <= 65_536 else {
      throw damage(
        "has \(vocabulary.count) tokens and \(merges.count) merges (expected 256 more tokens than merges, at most 65536)")
    }
    for byte in 0..<256 where vocabulary[String(ByteAlphabet.characters[byte])] != byte {
      throw damage("token \(byte) is not byte \(byte)")
    }
    let pairs = try merges.enumerated().map { index, text in
      let parts = text.split(separator: " ").map(String.init)
      guard parts.count == 2, let left = vocabulary[parts[0]], let right = vocabulary[parts[1]],
        vocabulary[parts[0] + parts[1]] == 256 + index, left >= 0, right >= 0, max(left, right) < 256 + index
      else { throw damage("merge \(index), `\(text)`, does not give token \(256 + index)") }
      return (left: Token(left), right: Token(right))
    }
    self.init(merges: pairs, split: split)
  }
}
