/// Guesses what a mistyped word was meant to be.
package enum NearestWord {
  /// The candidate with the fewest edits to `word`, nil when none is near enough to be likely.
  ///
  /// Case is ignored; the first of equals wins. Words over 64 bytes are not guessed.
  package static func to(_ word: String, among candidates: some Sequence<String>) -> String? {
    let typed = Array(word.lowercased().utf8)
    guard !typed.isEmpty, typed.count <= 64 else { return nil }
    var best: (word: String, edits: Int)?
    for candidate in candidates where candidate.utf8.count <= 64 {
      let edits = edits(typed, Array(candidate.lowercased().utf8))
      guard edits <= max(1, min(typed.count, candidate.utf8.count) / 3) else { continue }
      if edits < best?.edits ?? Int.max { best = (candidate, edits) }
    }
    return best?.word
  }

  /// Levenshtein distance, two neighbours swapped counting as one edit.
  private static func edits(_ a: [UInt8], _ b: [UInt8]) -> Int {
    var beforeLast = [Int](repeating: 0, count: b.count + 1)
    var last = Array(0...b.count)
    for i in 0..<a.count {
      var row = [i + 1]
      for j in 0..<b.count {
        var cost = min(last[j] + (a[i] == b[j] ? 0 : 1), last[j + 1] + 1, row[j] + 1)
        if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] { cost = min(cost, beforeLast[j - 1] + 1) }
        row.append(cost)
      }
      beforeLast = last
      last = row
    }
    return last[b.count]
  }
}
