import Files
import Foundation
import Safetensors
import Shards
import Tokenizer

/// Small valid inputs, from which the fuzzer starts.
package enum FuzzSeeds {
  /// - Returns: none for formats whose seeds `Tests/Fuzz/run` makes with other tools.
  package static func of(_ target: FuzzTarget) throws -> [Data] {
    switch target {
    case .shard: try [0, 1, 11].map(shard)
    case .frame:
      [
        [0], [1, 1, 0, 0, 0, 1, 0, 2, 0, 3, 0, 8, 0],
        [2, 2, 0, 1, 0, 43, 1, 0, 0, 1, 0, 2, 0, 3, 0, 8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
      ]
      .map { Data($0 as [UInt8]) }
    case .tar: []
    case .jsonl:
      [
        #"{"image": "a.png", "caption": "one"}"# + "\n\n"
          + #"{"image": "b \u00e9.jpg", "caption": ["two", "deux"], "width": 1.5e3}"# + "\r\n"
      ]
      .map { Data($0.utf8) }
    case .csv:
      ["image,caption\na.png,one\n", "\u{FEFF}id,image,caption\r\n1,\"b,\"\".png\",\"two\nlines, \"\"quoted\"\"\"\r\n"].map {
        Data($0.utf8)
      }
    case .tsv: ["image\tcaption\na.png\tone \"two\n\nb.png\t\n"].map { Data($0.utf8) }
    case .json:
      [
        #"[{"image": "a.png", "caption": "\ud83d\ude00", "x": [-1.5e3, NaN, null, true]}, {"file_name": "b.png", "text": ["b", 2]}]"#,
        #"{"images": [{"id": 1, "file_name": "a.png"}], "annotations": [{"image_id": 1, "caption": "a"}]}"#,
      ]
      .map { Data($0.utf8) }
    case .collect:
      [
        ("list.jsonl", #"{"file_name": "a.png", "text": ["one", "two"], "x": NaN}"# + "\n"),
        ("list.json", #"{"images": [{"id": 1, "file_name": "a.png"}], "annotations": [{"image_id": 1, "caption": "a"}]}"#),
        ("list.csv", "image;caption\na.png;\"one; two\"\nb.png;three\n"), ("list.tsv", "a.png#0\tone\n"),
        ("a.txt", "a &amp; b <b>bold</b>\n- two\n"), ("a.json", #"{"caption": "one", "text": 3}"#),
        ("", "a.png\t=1\na.txt\tone\nb.jpg.txt\ttwo\nb.jpg\t=1\nmetadata.csv\tfile_name,text\n10_x\nc.b.a\n"),
      ]
      .map(FuzzCollection.seed)
    case .source: [",image=a,caption=b,caption=c,repeat=2.5", "/{00..12}/{a,b}.tar", "/*.csv,repeat=1"].map { Data($0.utf8) }
    case .caption:
      ["a&nbsp;b &amp;quot;c&quot; &#128; &#x41;", "<p class=\"x\">a</p><br/><!-- b -->c", "\u{FEFF}\u{200B}  a\u{AD}b\r\n\t"].map {
        Data($0.utf8)
      }
    case .dataset: [try FuzzCollection.finished()]
    case .tokenizer: PreTokenizer.allCases.map { tokenizer($0).json() }
    case .encode:
      ["A small RED circle", "don't  stop\n\n 12 km² in İstanbul", "日本語 кирилл العربية 👩‍👩‍👧 e\u{301}\0\u{FEFF}"].map { Data($0.utf8) }
    case .safetensors: try [tensors()]
    case .config:
      [
        "seed: 7\ndata: {source: scenes, imageSize: 32}\ndvae:\n  model: {groups: 3, baseChannels: 8}\n  temperature: {from: 1.0, to: 0.2, steps: 50}\n",
        "# nothing\ntransformer:\n", "a: &x [1, 2]\nb: *x\n",
      ].map { Data($0.utf8) }
    }
  }

  static func tokenizer(_ split: PreTokenizer) -> Tokenizer {
    var trainer = BPETrainer(split: split)
    for caption in ["a small red circle above a large blue square", "a large red star isn't small", "aaaa aaa 112 1122 ää"] {
      trainer.add(caption)
    }
    return trainer.train(vocabulary: 300)
  }

  private static func shard(_ count: Int) throws -> Data {
    let header = ShardHeader(
      textLength: 5, grid: 2, textVocabulary: 300, imageVocabulary: 9, frameSamples: 4, tokenizer: "t", dvae: "d")
    return try contents { path in
      let writer = ShardWriter(path, header: header)
      for number in 0..<count {
        try writer.append(
          TokenSample(texts: (0...number % 3).map { [UInt16(number), UInt16($0)] }, image: [0, 1, 2, UInt16(number % 9)]))
      }
      try writer.finish()
    }
  }

  private static func tensors() throws -> Data {
    try contents { path in
      let writer = try SafetensorsWriter(
        path, tensors: [("a.weight", [2, 3], .f32), ("b", [], .f32), ("none", [0, 4], .f32)], metadata: ["step": "7"])
      try [1 as Float, 2, 3, 4, 5, 6, 7].withUnsafeBufferPointer(writer.write)
      try writer.finish()
    }
  }

  private static func contents(_ write: (String) throws -> Void) throws -> Data {
    let path = NSTemporaryDirectory() + "seed-\(UUID().uuidString)"
    defer { unlink(path) }
    try write(path)
    return try readFile(path)
  }
}
