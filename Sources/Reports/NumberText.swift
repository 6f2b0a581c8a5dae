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
