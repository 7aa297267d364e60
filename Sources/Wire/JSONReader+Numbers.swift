import CNumbers

extension JSONReader {
  /// Reads elements of the open array up to its end or to an element that isn't such a number, such as a nested array.
  ///
  /// The reader must stand at the first or another element, its comma taken. Afterwards `nextElement()` goes on.
  ///
  /// - Parameters:
  ///   - out: Room for `capacity` elements of `format.byteCount` bytes; need not be aligned.
  /// - Returns: Elements written, at least 1.
  /// - Throws: At the byte that is wrong; `out` then holds the elements in front of it.
  package mutating func numbers(
    _ format: NumberFormat, into out: UnsafeMutableRawPointer, capacity: Int
  ) throws(JSONError) -> Int {
    var read = 0
    let text = UnsafeRawPointer(start).assumingMemoryBound(to: CChar.self)
    let result = format.read(text, count, &position, out, capacity, &read)
    guard result == NUMBERS_OK else { throw numberFailure(result, format, capacity) }
    resume(at: position, behindElement: true)
    return read
  }

  @inline(never)
  private func numberFailure(_ result: numbers_result, _ format: NumberFormat, _ capacity: Int) -> JSONError {
    switch result {
    case NUMBERS_RANGE: failure("the number doesn't fit \(format.name)")
    case NUMBERS_FRACTION: failure("\(format.name) is wanted, not a fraction or exponent")
    case NUMBERS_FULL: failure("more values than the shape's \(capacity)")
    default: failure("\(format.name) is wanted")
    }
  }
}
