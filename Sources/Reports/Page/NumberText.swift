import Foundation

/// Numbers as the page writes them, whatever the language of the machine that makes it.
enum NumberText {
  /// `12,345`
  static func grouped(_ number: Int) -> String {
    let digits = String(number.magnitude)
    var text = number < 0 ? "-" : ""
    for (index, digit) in digits.enumerated() {
      if index > 0, (digits.count - index) % 3 == 0 { text += "," }
      text.append(digit)
    }
    return text
  }

  /// Three digits or so: `12,345`, `123`, `12.3`, `1.23`, `0.0123`.
  static func short(_ number: Double) -> String {
    guard number.isFinite, number != 0 else { return number == 0 ? "0" : "\(number)" }
    if abs(number) >= 1e15 { return String(format: "%.2e", number) }
    if abs(number) >= 99.95 { return grouped(Int(number.rounded())) }
    let decimals = max(0, 2 - Int(log10(abs(number)).rounded(.down)))
    let text = String(format: "%.\(decimals)f", number)
    return text.contains(".") ? String(text.reversed().drop { $0 == "0" }.drop { $0 == "." }.reversed()) : text
  }

  /// For axes: `950`, `1.2k`, `12k`, `3M`.
  static func compact(_ number: Double) -> String {
    switch number {
    case 1e9...: short(number / 1e9) + "G"
    case 1e6...: short(number / 1e6) + "M"
    case 1e3...: short(number / 1e3) + "k"
    default: short(number)
    }
  }

  /// The same, and small numbers as `2e-5`.
  static func compact(_ number: Double, scientificBelow limit: Double) -> String {
    guard number != 0, abs(number) < limit else { return compact(number) }
    let power = Int((log10(abs(number)) + 1e-9).rounded(.down))
    return "\(short(number / pow(10, Double(power))))e\(power)"
  }

  /// A number beside an axis whose marks are so far apart: with as many decimals as tell them apart.
  static func onAxis(_ number: Double, step: Double) -> String {
    let size = abs(number) < step / 2 ? 0 : abs(number)
    if size == 0 { return "0" }
    if size < 1e-2 && step < 1e-3 || size >= 1e12 {
      let power = Int((log10(size) + 1e-9).rounded(.down))
      let unit = pow(10, Double(power))
      return decimals(number / unit, step: step / unit) + "e\(power)"
    }
    for (unit, name) in [(1e9, "G"), (1e6, "M"), (1e3, "k")] where size >= unit {
      return decimals(number / unit, step: step / unit) + name
    }
    return decimals(number, step: step)
  }

  private static func decimals(_ number: Double, step: Double) -> String {
    String(format: "%.\(min(6, max(0, -Int(log10(step * 1.0001).rounded(.down)))))f", number)
  }

  /// Four digits: `5.432`, `0.0004500`, `163.8k`, `1.234e-7`.
  static func precise(_ number: Double) -> String {
    guard number.isFinite, number != 0 else { return number == 0 ? "0" : "\(number)" }
    if abs(number) >= 1e15 || abs(number) < 1e-3 {
      let parts = String(format: "%.3e", number).split(separator: "e")
      return "\(parts[0])e\(Int(parts[1])!)"
    }
    for (unit, name) in [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k")] where abs(number) >= unit {
      return String(format: "%.4g", number / (name == "k" ? 1e3 : unit)) + name
    }
    return String(format: "%.4g", number)
  }

  /// `4.1 GB`
  static func bytes(_ count: Double) -> String {
    for (unit, name) in [(1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")] where count >= unit {
      return "\(short(count / unit)) \(name)"
    }
    return "\(short(count)) bytes"
  }

  /// The beginning of a text that may be long. A character may be made of any number of signs, so those are limited, too.
  static func start(of text: String, _ limit: Int) -> String {
    let start = String(text.prefix(limit).unicodeScalars.prefix(4 * limit))
    return start == text ? text : start + "…"
  }

  /// A small number raised: `⁻³`.
  static func superscript(_ number: Int) -> String {
    let digits: [Character: Character] = [
      "-": "⁻", "0": "⁰", "1": "¹", "2": "²", "3": "³", "4": "⁴", "5": "⁵", "6": "⁶", "7": "⁷", "8": "⁸", "9": "⁹",
    ]
    return String(String(number).map { digits[$0]! })
  }

  static func percent(_ share: Double) -> String { short(100 * share) + " %" }

  static func percent(_ part: Int, of whole: Int) -> String { whole == 0 ? "0 %" : percent(Double(part) / Double(whole)) }

  /// Width by height: `1.5 : 1`, `1 : 2`.
  static func ratio(_ ratio: Double) -> String {
    ratio >= 1 ? "\(short(ratio)) : 1" : "1 : \(short(1 / ratio))"
  }

  /// `1 sample`, `12 samples`
  static func amount(_ number: Int, _ one: String, _ several: String? = nil) -> String {
    "\(grouped(number)) \(number == 1 ? one : several ?? one + "s")"
  }

  /// The smallest of 1, 2, 5, 10, 20, 50, ... times any power of ten that is at least `least`.
  static func niceStep(_ least: Double) -> Double {
    let power = pow(10, log10(least).rounded(.down))
    return [1, 2, 5, 10].map { $0 * power }.first { $0 >= least * (1 - 1e-9) } ?? 10 * power
  }
}
