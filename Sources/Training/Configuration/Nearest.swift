/// The candidate with the smallest edit distance to `word`, if it is near enough to be what was meant.
func nearest(to word: String, among candidates: some Sequence<String>) -> String? {
  let ranked = candidates.map { (distance: editDistance(word.lowercased(), $0.lowercased()), word: $0) }
  guard let best = ranked.min(by: { ($0.distance, $0.word) < ($1.distance, $1.word) }) else { return nil }
  return best.distance <= max(2, word.count / 2) ? best.word : nil
}

/// Levenshtein distance.
private func editDistance(_ a: String, _ b: String) -> Int {
  let b = Array(b)
  var row = Array(0...b.count)
  for (i, letter) in a.enumerated() {
    var diagonal = row[0]
    row[0] = i + 1
    for j in b.indices {
      let substitution = diagonal + (letter == b[j] ? 0 : 1)
      diagonal = row[j + 1]
      row[j + 1] = min(substitution, row[j] + 1, row[j + 1] + 1)
    }
  }
  return row[b.count]
}
