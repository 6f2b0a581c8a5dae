import Errors
import Foundation
import TestSupport
import Testing

@testable import Datasets

/// Manifests as Python, pandas, spreadsheets and the usual downloads have them.
@Suite struct ManifestTests {
  private let shop: Workshop

  init() throws {
    shop = try Workshop()
    for number in 0..<4 { try shop.write("\(number).png", shop.image(number)) }
  }

  /// Captions by image, and reasons with lines.
  private func read(_ name: String, _ bytes: Data, columns: Columns = Columns()) throws -> (entries: [String], skips: [String]) {
    try shop.write(name, bytes)
    let path = "\(shop.path)/\(name)"
    var reader = try ManifestReader(path, ManifestReader.Format(path: path)!, columns: columns)
    var (entries, skips): ([String], [String]) = ([], [])
    while let entry = try reader.next() {
      switch entry {
      case .success(let entry): entries.append("\(entry.image): \(entry.captions.joined(separator: "|"))")
      case .failure(let skip): skips.append("\(reader.line) \(skip.reason.rawValue)")
      }
    }
    return (entries, skips)
  }

  private func read(_ name: String, _ text: String) throws -> (entries: [String], skips: [String]) {
    try read(name, Data(text.utf8))
  }

  @Test(arguments: [
    ("m.csv", "image,caption\n0.png,café\n1.png,b\n"), ("m.csv", "Image , CAPTION\r\n0.png,café\r\n1.png,b"),
    ("m.csv", "image,caption\r0.png,café\r1.png,b\r"), ("m.csv", "image;caption\n0.png;café\n1.png;b\n"),
    ("m.csv", "image_name| comment_number| comment\n0.png| 0| café\n1.png| 0| b\n"),
    ("m.csv", "sep=;\nimage;caption\n0.png;café\n1.png;b\n"), ("m.csv", "sep=,\r\nimage,caption\r\n0.png,café\r\n1.png,b\r\n"),
    ("m.tsv", "file_name\ttext\n0.png\tcafé\n1.png\tb\n"), ("m.tsv", "filepath\ttitle\n\"0.png\"\t\"café\"\n\"1.png\"\t\"b\"\n"),
    ("m.csv", "id,path,prompt\n7,0.png,café\n8,1.png,b\n"), ("m.txt", "image,caption\n0.png,café\n1.png,b\n"),
    ("m.csv", "image, caption\n0.png, \"café\"\n1.png, \"b\" \n"), ("m.csv", "image\tcaption\n0.png\tcafé\n1.png\tb\n"),
    (
      "m.jsonl",
      "{\"image\": \"0.png\", \"caption\": \"café\", \"x\": NaN}\n{\"IMAGE\": \"1.png\", \"Text\": \"b\", \"y\": [-Infinity]}"
    ),
    (
      "m.jsonl",
      "{\"file_name\": \"0.png\", \"text\": \"caf\\u00e9\", \"z\": \"\\ud800\"}\r{\"image\": {\"path\": \"1.png\"}, \"caption\": \"b\"}\r"
    ),
    ("m.jsonl", " [{\"image\": \"0.png\", \"caption\": \"café\"},\n {\"image\": \"1.png\", \"caption\": \"b\"}]"),
    ("m.json", "{\"image\": \"0.png\", \"caption\": \"café\"}\n{\"image\": \"1.png\", \"caption\": \"b\"}"),
    (
      "m.json",
      #"{"images": [{"id": 5, "file_name": "0.png"}, {"id": 6, "file_name": "1.png"}], "annotations": [{"image_id": 6, "caption": "b"}, {"image_id": 5, "caption": "café"}]}"#
    ),
  ]) func formsThatAreRead(_ name: String, _ text: String) throws {
    var encodings = [Data(text.utf8), Data([0xEF, 0xBB, 0xBF] + text.utf8)]
    encodings.append(Data([0xFF, 0xFE]) + text.data(using: .utf16LittleEndian)!)
    encodings.append(Data([0xFE, 0xFF]) + text.data(using: .utf16BigEndian)!)
    encodings.append(text.data(using: .utf16LittleEndian)!)
    for (number, bytes) in encodings.enumerated() {
      let (entries, skips) = try read(name, bytes)
      let trimmed = entries.map { $0.replacingOccurrences(of: ":  ", with: ": ") }
      #expect(trimmed == ["0.png: café", "1.png: b"] && skips.isEmpty, "encoding \(number): \(entries) \(skips)")
    }
  }

  @Test(arguments: [
    // A field that is not in quotes although it has commas; fields that lack; backslashes; quotes that are never closed.
    ("m.csv", "image,caption\n0.png,a red, round ball\n1.png,b\n2.png\n", ["1.png: b"], ["2 source damaged", "4 source damaged"]),
    ("m.csv", "image,caption\n0.png,\"he said \\\"hi\\\" 0\"\n1.png,b\n", ["1.png: b"], ["2 source damaged"]),
    ("m.csv", "image,caption\n0.png,\"open\n1.png,b\n2.png,c\n", ["1.png: b", "2.png: c"], ["2 source damaged"]),
    ("m.csv", "image,caption\n0.png,\"open\n1.png,\"also open\n2.png,c\n", ["2.png: c"], ["2 source damaged", "3 source damaged"]),
    (
      "m.csv", "image,caption\n0.png,\"a\nb, \"\"c\"\"\"\n1.png,b\n2.png,c,d\n", ["0.png: a\nb, \"c\"", "1.png: b"],
      ["5 source damaged"]
    ),
    (
      "m.tsv", "image\tcaption\n0.png\t\"a\tb\r\nc \"\"d\"\"\"\n1.png\t5\" nails\n", ["0.png: a\tb\nc \"d\"", "1.png: 5\" nails"],
      []
    ),
    ("m.csv", "image,caption,caption\n0.png,a,b\n", ["0.png: a|b"], []),
    ("m.csv", "image,caption\n,a\n0.png,\n", [], ["2 image missing", "3 no caption"]),
    (
      "m.jsonl", "{\"image\": \"0.png\", \"caption\": 7}\n{\"image\": \"1.png\", \"caption\": [\"a\", 8, null]}\n",
      ["0.png: 7", "1.png: a|8"], []
    ),
    (
      "m.jsonl",
      "{\"image\": \"0.png\", \"caption\": \"\\ud83d x\"}\n{\"image\": \"1.png\", \"caption\": {}}\n[1]\n{\"image\": \"2.png\", \"caption\": null}\n{\"image\": 3}\n{}x\n{\"image\": \"0.png\", \"caption\": \"\\ud83d\\ude00\"}",
      ["0.png: 😀"],
      [
        "1 caption unreadable", "2 caption unreadable", "3 source damaged", "4 no caption", "5 image missing", "6 source damaged",
      ]
    ),
    (
      "m.json",
      #"{"images": [{"id": 5, "file_name": "0.png"}, {"id": 6, "file_name": "1.png"}], "annotations": [{"image_id": 5, "caption": "a"}, {"image_id": 5, "caption": "b"}, {"image_id": 9, "caption": "c"}]}"#,
      ["0.png: a|b"], ["2 no caption", "3 image missing"]
    ),
  ]) func mistakesAreListedWithTheirLines(_ name: String, _ text: String, _ entries: [String], _ skips: [String]) throws {
    let found = try read(name, text)
    #expect(found.entries == entries)
    #expect(found.skips == skips)
  }

  /// A quote that is never closed costs its own line, wherever the next quote is, and time that grows with the file alone.
  @Test func openQuotesInALargeTable() throws {
    let rows = (0..<20_000).map { "\($0).png,\($0 % 2 == 0 ? "\"" : "")caption \($0)" }
    let (entries, skips) = try read("m.csv", "image,caption\n" + rows.joined(separator: "\n"))
    #expect(entries.count == 10_000 && skips.count == 10_000)
  }

  @Test(arguments: [
    ("m.csv", "url,caption\nhttp://example.org/1.jpg,a\n", "img2dataset --url_list"),
    ("m.tsv", "a caption\thttp://example.org/x.jpg\n", "name the columns in its first line"),
    ("m.csv", "0.png,a\n1.png,b\n", "has no column `image`"), ("m.json", "{\"labels\": [[\"a.png\", 0]]}", "its keys: `labels`"),
    ("m.json", "[1", "is not JSON"), ("m.csv", "", "is empty"),
  ]) func manifestsThatAreRefused(_ name: String, _ text: String, _ words: String) throws {
    #expect { try read(name, text) } throws: { "\($0)".contains(words) }
  }

  @Test func otherEncodingsAreNamed() throws {
    try shop.write("m.csv", Data("image,caption\n0.png,caf".utf8) + [0xE9, 0x0A])
    #expect(throws: DalleError.self) { try shop.collect([DatasetSource("m.csv")]) }
    #expect(try shop.skips()[0].detail.contains("iconv -f WINDOWS-1252 -t UTF-8 m.csv"))
  }

  @Test func pathsThatAreCertain() throws {
    for (number, path) in ["  ../0.png ", "file://\(shop.path)/1.png", "..\\2.png", "./../3.png", "../%30.png"].enumerated() {
      let line = String(decoding: try JSONEncoder().encode(["image": path, "caption": "c\(number)"]), as: UTF8.self)
      let other = "{\"image\": \"../\((number + 1) % 4).png\", \"caption\": \"other\"}"
      try shop.write("sub/m.jsonl", "\(line)\n\(other)\n")
      #expect(
        try shop.captions(shop.collect([DatasetSource("sub/m.jsonl")], into: "out\(number)")) == ["c\(number)", "other"], "\(path)")
    }
  }

  @Test(arguments: [
    ("a\\\\b.png", "backslashes"), ("C:\\\\a.png", "Windows machine"), ("https://example.org/a.png", "img2dataset"),
    ("/nowhere/a.png", "have been moved"), ("a.png", "relative to the list"),
  ]) func allImagesMissing(_ path: String, _ cause: String) throws {
    try shop.write("m.jsonl", "{\"image\": \"\(path)\", \"caption\": \"c\"}\n")
    #expect { try shop.collect([DatasetSource("m.jsonl")]) } throws: {
      "\($0)".contains("none of its 1 images exists") && "\($0)".contains(cause) && "\($0)".contains("looked in \(shop.path)")
    }
  }

  /// Images in a folder below the manifest, or beside COCO's folder of annotations.
  /// Flickr8k's and Flickr30k's lists have no names of columns, and quotes that mean nothing.
  @Test(arguments: ["Flickr8k.token.txt", "results_20130124.token", "list.tsv"]) func numberedLines(_ name: String) throws {
    let (entries, skips) = try read(name, "0.png#0\t\"Two\" dogs , one \" red .\n0.png#1\tb\n1.png.1#0\tc\n2.png#0 d\n3.png#4\te\n")
    #expect(entries == ["0.png: \"Two\" dogs , one \" red .", "0.png: b", "1.png.1: c", "3.png: e"])
    #expect(skips == ["4 source damaged"])
  }

  @Test func numberedLinesInAFolderOfTheirOwn() throws {
    for number in 0..<3 { try shop.write("flickr/Flicker8k_Dataset/\(number).jpg", shop.image(number)) }
    try shop.write("flickr/Flickr8k_text/Flickr8k.token.txt", "0.jpg#0\ta\n0.jpg#1\tb\n1.jpg#0\tc\n2.jpg#0\td\n")
    #expect(try shop.captions(shop.collect([DatasetSource("flickr/Flickr8k_text/Flickr8k.token.txt")])) == ["a", "b", "c", "d"])
  }

  /// kohya's metadata: a key per image, with or without its suffix; and captions alone by images.
  @Test func keysThatAreImages() throws {
    let text = #"{"0": {"caption": "a", "tags": "x"}, "1.png": {"tags": "b, c"}, "2": {"train_resolution": [8, 8]}}"#
    #expect(try read("meta_cap.json", text).entries == ["0: a", "1.png: b, c"])
    #expect(try read("meta_cap.json", text).skips == ["3 no caption"])
    #expect(try read("map.json", #"{"0.png": "a", "1.png": ["b", "c"]}"#).entries == ["0.png: a", "1.png: b|c"])
    #expect(throws: DalleError.self) { try read("stats.json", #"{"count": 5, "status": {"success": 5}}"#) }
    #expect(try shop.captions(shop.collect([DatasetSource("meta_cap.json")])) == ["a", "b, c"])
  }

  @Test func layoutsOfDownloads() throws {
    for number in 0..<3 { try shop.write("flickr/Images/\(number).png", shop.image(number)) }
    try shop.write("flickr/captions.txt", "image,caption\n0.png,a\n1.png,b\n2.png,c\n")
    let flickr = try shop.collect([DatasetSource("flickr/captions.txt")], into: "flickr.out")
    #expect(try shop.captions(flickr) == ["a", "b", "c"])
    #expect(flickr.summary.notes == ["\(shop.path)/flickr/captions.txt: its images are taken from \(shop.path)/flickr/Images"])
    for number in 0..<3 { try shop.write("coco/train2017/\(number).png", shop.image(number)) }
    try shop.write(
      "coco/annotations/captions.json",
      #"{"images": [{"id": 0, "file_name": "0.png"}, {"id": 1, "file_name": "1.png"}], "annotations": [{"image_id": 0, "caption": "a"}, {"image_id": 1, "caption": "b"}, {"image_id": 1, "caption": "c"}]}"#
    )
    #expect(
      try shop.captions(shop.collect([DatasetSource("coco/annotations/captions.json")], into: "coco.out")) == ["a", "b", "c"])
    for number in 0..<3 { try shop.write("flickr/Other/\(number).png", shop.image(number)) }
    #expect { try shop.collect([DatasetSource("flickr/captions.txt")], into: "two") } throws: { "\($0)".contains("exist in") }
  }

  @Test func settingsOfASource() throws {
    let source = try DatasetSource(parsing: "a,b/list.csv,image=foto,caption=title,caption=alt,repeat=2.5")
    #expect(source.path == "a,b/list.csv" && source.repeat == 2.5 && !source.folderRepeats)
    #expect(source.columns == Columns(image: "foto", captions: ["title", "alt"]))
    #expect(try DatasetSource(parsing: "a,b=c") == DatasetSource("a,b=c"))
    try shop.write("x,repeat=3", "a file")
    #expect(try DatasetSource(parsing: "\(shop.path)/x,repeat=3").path == "\(shop.path)/x,repeat=3")
    #expect(throws: DalleError.self) { try DatasetSource(parsing: "a,repeat=many") }
    try shop.write("foto.csv", "foto,title\n0.png,a\n1.png,b\n")
    try shop.write("plain.csv", "image,caption\n2.png,c\n3.png,d\n")
    let dataset = try shop.collect([
      DatasetSource(parsing: "foto.csv,image=foto,repeat=2"), DatasetSource("plain.csv"),
    ])
    #expect(Set(try shop.captions(dataset)) == ["a", "b", "c", "d"])
  }
}
