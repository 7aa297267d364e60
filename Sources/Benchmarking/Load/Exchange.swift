/// A request that is sent again and again, with what is known of its answers. Memory of its own, kept until `free`.
struct Exchange {
  let bytes: UnsafeMutableRawBufferPointer
  /// Of the first right answer: later heads that equal it need no reading.
  private(set) var head = UnsafeMutableRawBufferPointer(start: nil, count: 0)
  private(set) var count = 0
  private var ends: (UInt64, UInt64) = (0, 0)

  init(_ request: PreparedRequest) {
    bytes = .allocate(byteCount: request.bytes.count, alignment: 64)
    bytes.copyBytes(from: request.bytes)
  }

  func free() {
    bytes.deallocate()
    head.deallocate()
  }

  var isAnswered: Bool { count > 0 }

  /// Keeps what the first right answer looks like.
  mutating func learn(_ answer: UnsafeRawBufferPointer, headCount: Int) {
    head = .allocate(byteCount: headCount, alignment: 1)
    head.copyMemory(from: UnsafeRawBufferPointer(rebasing: answer[..<headCount]))
    count = answer.count
    ends = ends(of: answer)
  }

  /// Whether the answer ends as the first one did: eight bytes behind the head, eight at the end.
  @inline(__always)
  func isUnchanged(_ answer: UnsafeRawBufferPointer) -> Bool { answer.count == count && ends(of: answer) == ends }

  @inline(__always)
  private func ends(of answer: UnsafeRawBufferPointer) -> (UInt64, UInt64) {
    guard answer.count >= head.count + 8 else { return (0, 0) }
    return (
      answer.loadUnaligned(fromByteOffset: head.count, as: UInt64.self),
      answer.loadUnaligned(fromByteOffset: answer.count - 8, as: UInt64.self)
    )
  }
}
