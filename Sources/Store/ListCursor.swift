package import Inference

/// Where a page of something that is ordered by time ends, and the next one goes on: after the row of this time and id,
/// whether it is still there or not.
package struct ListCursor: Sendable, Equatable {
  package let ms: Int
  package let id: String

  package init(ms: Int, id: String) {
    self.ms = ms
    self.id = id
  }

  /// - Throws: `.invalidRequest` for what no page has ended with.
  package init(_ text: String) throws(HostError) {
    let parts = text.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2, let ms = Int(parts[0]), ms >= 0 else {
      throw HostError(.invalidRequest, "'cursor' must be the 'next' of a page, not '\(text.excerpt)'")
    }
    self.init(ms: ms, id: String(parts[1]))
  }

  package var text: String { "\(ms)-\(id)" }
}
