import Inference

/// How far the download of an object has come, over all the answers that carry parts of it. Used on one thread.
final class Download {
  /// The next byte of the object that is wanted.
  private(set) var position: Int
  /// The first byte that isn't wanted; nil for all of the object.
  private let end: Int?
  /// The first byte behind what the answer holds, if it says so.
  private var answerEnd: Int?
  /// Of the version that the first bytes came from.
  private var tag: String?
  /// Bytes to pass over, where a server sends all of an object in spite of the range asked for.
  private var skipCount = 0
  private let rangeName: String
  private let what: String
  private let sink: (UnsafeRawBufferPointer) throws(HostError) -> Void

  init(
    _ range: Range<Int>?, rangeName: String, _ what: String,
    _ sink: @escaping (UnsafeRawBufferPointer) throws(HostError) -> Void
  ) {
    self.rangeName = rangeName
    position = range?.lowerBound ?? 0
    end = range.flatMap { $0.upperBound == .max ? nil : $0.upperBound }
    self.what = what
    self.sink = sink
  }

  /// Which part of the object is wanted, of which version.
  var headers: [(name: String, value: String)] {
    var headers: [(name: String, value: String)] = []
    if position > 0 || end != nil {
      headers.append((rangeName, "bytes=\(position)-\(end.map { "\($0 - 1)" } ?? "")"))
    }
    if let tag { headers.append(("if-match", tag)) }
    return headers
  }

  /// Takes the head of an answer with bytes of the object.
  func begin(_ answer: HTTPAnswer) throws(HostError) {
    let start: Int
    if answer.status == 206 {
      // "bytes 5-9/100"
      let words = (answer.headers["content-range"] ?? "").split { " -/".contains($0) }
      guard words.count == 4, words[0] == "bytes", Int(words[1]) == position else {
        throw HostError(.internalError, "\(what): the answer isn't the range from byte \(position) that was asked for")
      }
      start = position
    } else {
      start = 0
    }
    skipCount = position - start
    answerEnd = answer.headers["content-length"].flatMap { Int($0) }.map { start + $0 }
    let tag = answer.headers["etag"]
    guard self.tag == nil || tag == self.tag else {
      throw HostError(.conflict, "\(what): the object has changed while it was read")
    }
    // A weak tag can't be asked for.
    self.tag = tag?.hasPrefix("W/") == true ? nil : tag
  }

  func take(_ bytes: UnsafeRawBufferPointer) throws(HostError) {
    let skipped = min(skipCount, bytes.count)
    skipCount -= skipped
    let wanted = min(bytes.count - skipped, end.map { $0 - position } ?? .max)
    guard wanted > 0 else { return }
    try sink(UnsafeRawBufferPointer(rebasing: bytes[skipped..<skipped + wanted]))
    position += wanted
  }

  /// The last answer is whole.
  func checkEnd() throws(HostError) {
    let expected = min(answerEnd ?? position, end ?? .max)
    guard position == expected else {
      throw HostError(.internalError, "\(what): the answer ends at byte \(position), not \(expected)")
    }
  }
}
