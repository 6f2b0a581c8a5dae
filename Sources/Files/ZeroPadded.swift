/// A number with zeros before it, as in `step-00000012`, so that names sort as numbers do; one with more digits keeps them all.
package func zeroPadded(_ number: some BinaryInteger, digits: Int, radix: Int = 10) -> String {
  let text = String(number, radix: radix)
  return String(repeating: "0", count: max(0, digits - text.count)) + text
}
