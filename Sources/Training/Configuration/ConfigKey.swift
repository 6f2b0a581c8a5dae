import Foundation
import Yams

/// The one declaration of a configuration key: which values it takes, their unit, and what it does. Its default is that of the
/// property of the same name.
struct ConfigKey: Sendable {
  enum Values: Sendable {
    case flag
    case text
    case choice([String])
    case integer(ClosedRange<Int>)
    case number(Numbers)
  }
  /// Within its section.
  let name: String
  let values: Values
  /// "pixels"; empty where there is none.
  let unit: String
  /// What it does, for the reference.
  let text: String

  static func flag(_ name: String, _ text: String) -> ConfigKey { ConfigKey(name: name, values: .flag, unit: "", text: text) }

  static func text(_ name: String, _ text: String) -> ConfigKey { ConfigKey(name: name, values: .text, unit: "", text: text) }

  static func choice<Choice: CaseIterable & RawRepresentable<String>>(
    _ name: String, _: Choice.Type, _ text: String
  ) -> ConfigKey {
    ConfigKey(name: name, values: .choice(Choice.allCases.map(\.rawValue)), unit: "", text: text)
  }

  static func integer(_ name: String, _ limits: ClosedRange<Int>, unit: String = "", _ text: String) -> ConfigKey {
    ConfigKey(name: name, values: .integer(limits), unit: unit, text: text)
  }

  static func number(_ name: String, _ limits: Numbers, unit: String = "", _ text: String) -> ConfigKey {
    ConfigKey(name: name, values: .number(limits), unit: unit, text: text)
  }

  /// Which values it takes, for people.
  var limits: String {
    switch values {
    case .flag: "true or false"
    case .text: "text"
    case .choice(let names): names.joined(separator: ", ")
    case .integer(0...Int.max): "at least 0"
    case .integer(let range): "\(range.lowerBound) to \(range.upperBound)"
    case .number(let range): range.description
    }
  }

  /// What is wrong with a value, to follow the key in a message; nil if nothing is.
  func problem(with value: Node) -> String? {
    let text = value.string ?? ""
    let inUnit = unit.isEmpty ? "" : " (\(unit))"
    switch values {
    case .text: return nil
    case .flag: return value.bool == nil ? "is `\(text)`, which is not true or false" : nil
    case .choice(let names):
      if names.contains(text) { return nil }
      let near = nearest(to: text, among: names).map { "; did you mean `\($0)`?" } ?? ""
      return "is `\(text)`; it takes one of \(names.joined(separator: ", "))\(near)"
    case .integer(let range):
      if let number = value.int, range.contains(number) { return nil }
      // A whole number that an Int cannot hold is out of range, too.
      let isWhole = value.int != nil || (!text.isEmpty && text.allSatisfy { $0.isASCII && $0.isNumber })
      if !isWhole { return "is `\(text)`, which is not a whole number" }
      return "is \(text); it must lie between \(range.lowerBound) and \(range.upperBound)\(inUnit)"
    case .number(let range):
      guard let number = value.float else { return "is `\(text)`, which is not a number" }
      return range.contains(number) ? nil : "is \(text); it must be \(range)\(inUnit)"
    }
  }
}

/// Finite numbers within limits.
enum Numbers: Sendable, CustomStringConvertible {
  case any
  case above(Double)
  case atLeast(Double)
  case between(Double, Double)
  case atLeastAndBelow(Double, Double)
  case aboveAndAtMost(Double, Double)

  func contains(_ value: Double) -> Bool {
    guard value.isFinite else { return false }
    switch self {
    case .any: return true
    case .above(let lower): return value > lower
    case .atLeast(let lower): return value >= lower
    case .between(let lower, let upper): return value >= lower && value <= upper
    case .atLeastAndBelow(let lower, let upper): return value >= lower && value < upper
    case .aboveAndAtMost(let lower, let upper): return value > lower && value <= upper
    }
  }

  var description: String {
    func text(_ value: Double) -> String { String(format: "%g", value) }
    return switch self {
    case .any: "any finite number"
    case .above(let lower): "above \(text(lower))"
    case .atLeast(let lower): "at least \(text(lower))"
    case .between(let lower, let upper): "between \(text(lower)) and \(text(upper))"
    case .atLeastAndBelow(let lower, let upper): "at least \(text(lower)) and below \(text(upper))"
    case .aboveAndAtMost(let lower, let upper): "above \(text(lower)) and at most \(text(upper))"
    }
  }
}

/// The keys of one section of the configuration.
struct ConfigSection: Sendable {
  /// `dvae.model`; empty for the keys at the top.
  let path: String
  let text: String
  let keys: [ConfigKey]

  func path(of key: ConfigKey) -> String { path.isEmpty ? key.name : "\(path).\(key.name)" }
}
