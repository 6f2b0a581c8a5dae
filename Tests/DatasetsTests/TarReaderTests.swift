import Datasets
import Errors
import Foundation
import TestSupport
import Testing

/// Archives of the usual tools: Python's tarfile, GNU tar, gzip, zstd.
@Suite struct TarReaderTests {
  /// Names and contents of the files that every archive here holds; the contents fill blocks of tar partly, exactly, and not at all.
  private static let files = [
    ("a/1.png", 700), ("a/1.txt", 512), ("a/empty.txt", 0), ("ä/\(String(repeating: "folder/", count: 12))ö.txt", 40_000),
    ("z.txt", 3),
  ]
  private static func contents(_ size: Int) -> Data { Data((0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ size) }) }

  private static func run(_ command: String, in folder: String) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/bash")
    process.arguments = ["-euo", "pipefail", "-c", command]
    process.currentDirectoryURL = URL(fileURLWithPath: folder)
    try process.run()
    process.waitUntilExit()
    try #require(process.terminationStatus == 0, "\(command)")
  }

  /// Commands that write `t.tar` from the files in `in`.
  private static let writers =
    ["v7", "ustar", "gnu", "pax"].map { "tar --format=\($0) -C in -cf t.tar ." }
    + ["USTAR", "GNU", "PAX"].map { format in
      "python3 -c \"import tarfile; t = tarfile.open('t.tar', 'w', format=tarfile.\(format)_FORMAT); t.add('in', '.'); t.close()\""
    }

  @Test(arguments: writers) func everyDialect(_ writer: String) throws {
    let shop = try Workshop()
    // The first dialect has no names above 99 bytes.
    let files = writer.contains("v7") ? Self.files.filter { $0.0.utf8.count < 100 } : Self.files
    for (name, size) in files { try shop.write("in/\(name)", Self.contents(size)) }
    try Self.run("ln in/z.txt in/zz.txt; ln -s z.txt in/link.txt; \(writer)", in: shop.path)
    try Self.run("gzip -k t.tar; cp t.tar.gz t.tgz; zstd -qk t.tar", in: shop.path)
    for name in ["t.tar", "t.tar.gz", "t.tgz", "t.tar.zst"] {
      let tar = try TarReader("\(shop.path)/\(name)")
      let bytes = try Data(contentsOf: URL(fileURLWithPath: "\(shop.path)/\(name)"))
      var found: [String: Data] = [:]
      while let member = try tar.nextMember() {
        #expect(!member.isSparse && (member.offset == nil) == (name != "t.tar"))
        let contents = try tar.contents()
        if let offset = member.offset { #expect(bytes[offset..<offset + member.size] == contents, "\(member.name)") }
        found[member.name.replacingOccurrences(of: "./", with: "")] = contents
      }
      // Of the two names of one file the archive holds one as a link.
      found["z.txt"] = found["z.txt"] ?? found.removeValue(forKey: "zz.txt")
      #expect(found == Dictionary(uniqueKeysWithValues: files.map { ($0.0, Self.contents($0.1)) }), "\(name)")
    }
  }

  @Test(arguments: ["gnu", "pax --sparse-version=0.0", "pax --sparse-version=0.1", "pax --sparse-version=1.0"])
  func sparseMembersAreRefusedByName(_ format: String) throws {
    let shop = try Workshop()
    for number in 0..<4 { try shop.write("in/\(number).png", shop.image(number)) }
    for number in 0..<4 { try shop.write("in/\(number).txt", "caption \(number)") }
    try Self.run(
      "truncate -s 100000 in/1.txt in/2.png; tar --format=\(format) -S -C in --sort=name -cf t.tar .", in: shop.path)
    let dataset = try shop.collect([DatasetSource("t.tar")])
    #expect(try shop.captions(dataset) == ["caption 0", "caption 3"])
    let skips = try shop.skips()
    #expect(skips.map(\.reason) == [.unreadableCaption, .unreadableImage])
    #expect(skips[0].detail.contains("1.txt` is a sparse file") && skips[1].detail.contains("2.png` is a sparse file"))
  }

  @Test func compressedArchivesGiveTheSameSamples() throws {
    let shop = try Workshop()
    for number in 0..<8 {
      try shop.write("in/\(number).png", shop.image(number))
      try shop.write("in/\(number).txt", "caption \(number)")
    }
    try shop.write("in/8.png", shop.image(8))
    try Self.run("tar -C in --sort=name -cf t.tar .; gzip -k t.tar; zstd -qk t.tar", in: shop.path)
    let plain = try shop.collect([DatasetSource("t.tar")], into: "plain")
    #expect(plain.summary.copies.isEmpty && plain.summary.copiesLine == nil)
    #expect(!FileManager.default.fileExists(atPath: "\(shop.path)/plain/images"))
    for name in ["t.tar.gz", "t.tar.zst"] {
      _ = try shop.collect([DatasetSource(name)], into: "first")
      // The dataset needs neither the archive nor its own path.
      try Self.run("rm \(name); rm -rf moved; mv first moved", in: shop.path)
      let dataset = try Dataset(DatasetFolder("\(shop.path)/moved"))
      let images = try (0..<8).reduce(0) { try $0 + shop.image($1).count }
      #expect(dataset.summary.copies == ["images/work-item-0": images])
      #expect(try shop.skips("moved").map(\.reason) == [.noCaption])
      for number in 0..<plain.count(.training) {
        #expect(try dataset.captions(number, .training) == plain.captions(number, .training))
        #expect(try dataset.image(number, .training).pixels == plain.image(number, .training).pixels)
      }
      // A copy that has lost bytes is noticed.
      try Self.run("truncate -s 20 moved/images/work-item-0", in: shop.path)
      #expect(throws: DalleError.self) {
        for number in 0..<dataset.count(.training) { _ = try dataset.image(number, .training) }
      }
    }
  }

  @Test(arguments: ["gz", "zst"]) func damagedCompressedArchives(_ compression: String) throws {
    let shop = try Workshop()
    for number in 0..<40 {
      // Noise, so that the archive is longer than what is read at once.
      try shop.write("in/\(10 + number).png", shop.image(number))
      try shop.write("in/\(10 + number).txt", "caption \(number)")
      try Self.run("head -c 20000 /dev/urandom > in/\(10 + number).noise", in: shop.path)
    }
    try Self.run("tar -C in --sort=name -cf t.tar .; gzip -k t.tar; zstd -qk t.tar", in: shop.path)
    let whole = try Data(contentsOf: URL(fileURLWithPath: "\(shop.path)/t.tar.\(compression)"))
    for (index, count) in [whole.count / 2, whole.count - 5].enumerated() {
      try shop.write("cut\(index).tar.\(compression)", whole.prefix(count))
      let dataset = try shop.collect([DatasetSource("cut\(index).tar.\(compression)")], into: "cut\(index)")
      #expect(dataset.summary.training >= 10)
      let skips = try shop.skips("cut\(index)")
      #expect(skips.contains { $0.reason == .damagedSource && $0.detail.contains("cut off") }, "\(index) \(skips)")
    }
    try shop.write("not.tar.\(compression)", whole.prefix(8))
    #expect(throws: DalleError.self) { try shop.collect([DatasetSource("not.tar.\(compression)")], into: "not") }
    #expect(try shop.skips("not").map(\.reason) == [.damagedSource])
  }

  /// A member is whole where only the padding behind it is cut off.
  @Test func endInPadding() throws {
    let shop = try Workshop()
    try Self.run("printf x > a.txt; tar -cf whole.tar a.txt; head -c 600 whole.tar > t.tar", in: shop.path)
    let tar = try TarReader("\(shop.path)/t.tar")
    #expect(try tar.nextMember()?.name == "a.txt" && tar.contents() == Data("x".utf8))
    #expect(throws: DalleError.self) { try tar.nextMember() }
    #expect(try tar.nextMember() == nil)
  }

  /// An archive that ends between two members has lost those behind.
  @Test func endWithoutZeros() throws {
    let shop = try Workshop()
    try Self.run("printf x > a.txt; tar -cf whole.tar a.txt; head -c 1024 whole.tar > t.tar", in: shop.path)
    let tar = try TarReader("\(shop.path)/t.tar")
    #expect(try tar.nextMember()?.name == "a.txt")
    #expect(
      throws: DalleError(
        .data, "\(shop.path)/t.tar: lacks the zeros that end an archive, at byte 1024, it is cut off; copy it again")
    ) {
      try tar.nextMember()
    }
    #expect(try tar.nextMember() == nil)
  }
}
