import Foundation
import Testing

@testable import Training

/// `Docs/configuration.md` is written from the declarations of keys. `DALLE_WRITE_DOCS=1 swift test --filter reference` writes it.
@Suite struct ConfigurationReferenceTests {
  private let path = #filePath.replacingOccurrences(
    of: "Tests/TrainingTests/ConfigurationReferenceTests.swift", with: "Docs/configuration.md")

  @Test func everyKeyIsDeclaredAndEveryDeclarationIsAKey() throws {
    let keys = try RunConfig().flattened().map(\.key)
    #expect(Set(keys) == Set(RunConfig.keys.keys))
    #expect(RunConfig.keys.values.allSatisfy { $0.text.hasSuffix(".") })
    for (before, now) in RunConfig.renamedKeys {
      #expect(!keys.contains(before) && keys.contains { $0 == now || $0.hasPrefix(now + ".") }, "\(before) -> \(now)")
    }
    try RunConfig().validate()
  }

  @Test func referenceIsCurrent() throws {
    let markdown = try Self.markdown()
    if ProcessInfo.processInfo.environment["DALLE_WRITE_DOCS"] != nil {
      try Data(markdown.utf8).write(to: URL(fileURLWithPath: path))
    }
    #expect(
      try String(contentsOfFile: path, encoding: .utf8) == markdown,
      "Docs/configuration.md is not current: run this test with DALLE_WRITE_DOCS=1, and commit the file")
  }

  private static func markdown() throws -> String {
    let defaults = Dictionary(uniqueKeysWithValues: try RunConfig().flattened())
    var lines = [
      "# Configuration", "",
      "Written from the declarations in `Sources/Training/Configuration/RunConfig+Keys.swift`; do not edit.", "",
      "A run's configuration is a YAML file (`dalle-train --config FILE`). A key that the file leaves out has the default, which is the",
      "published system's value. `--set key.path=value` changes one key. A run folder's `config.yaml` has every value of that run.",
    ]
    for section in RunConfig.sections {
      lines += ["", section.path.isEmpty ? "## Top level" : "## `\(section.path)`", "", section.text, ""]
      lines += ["| key | default | values | unit | |", "|---|---|---|---|---|"]
      for key in section.keys {
        var value = defaults[section.path(of: key)]!
        if case .number = key.values, let number = Double(value) { value = String(format: "%g", number) }
        let columns = ["`\(key.name)`", value.isEmpty ? "empty" : "`\(value)`", key.limits, key.unit, key.text]
        lines.append("| " + columns.joined(separator: " | ") + " |")
      }
    }
    return lines.joined(separator: "\n") + "\n"
  }
}
