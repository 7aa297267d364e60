import CNumbers

extension JSONReader {
  /// The characters of a number, checked against the grammar.
  package mutating func number() throws(JSONError) -> UnsafeRawBufferPointer {
    skipWhitespace()
    let first = position
    if take("NaN") || take("Infinity") || take("-Infinity") { return slice(from: first) }
    if position < count && start[position] == UInt8(ascii: "-") { position += 1 }
    let integer = position
    try digits()
    if start[integer] == UInt8(ascii: "0") && position - integer > 1 {
      throw JSONError("a number can't start with 0", at: integer)
    }
    if position < count && start[position] == UInt8(ascii: ".") {
      position += 1
      try digits()
    }
    if position < count && (start[position] | 0x20) == UInt8(ascii: "e") {
      position += 1
      if position < count && (start[position] == UInt8(ascii: "+") || start[position] == UInt8(ascii: "-")) {
        position += 1
      }
      try digits()
    }
    return slice(from: first)
  }

  private func slice(from first: Int) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: start + first, count: position - first)
  }

  private mutating func digits() throws(JSONError) {
    let first = position
    while position < count, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(start[position]) { position += 1 }
    guard position > first else { throw failure("a digit is wanted") }
  }

  /// An integer that fits 64 bits; never read through a double.
  // Of the types in a request's head: as it is, for any type, other modules would wait ten times as long.
  @_specialize(where T == Int)
  @_specialize(where T == Int64)
  @_specialize(where T == UInt64)
  package mutating func integer<T: FixedWidthInteger>(_ type: T.Type = T.self) throws(JSONError) -> T {
    try wholeNumber()
  }

  @inline(never)
  private mutating func wholeNumber<T: FixedWidthInteger>() throws(JSONError) -> T {
    skipWhitespace()
    let first = position
    let text = try number()
    var index = 0
    let isNegative = text[0] == UInt8(ascii: "-")
    if isNegative { index = 1 }
    var value: T = 0
    while index < text.count {
      let digit = text[index] &- 48
      guard digit <= 9 else { throw JSONError("an integer is wanted", at: first) }
      let (shifted, overflow) = value.multipliedReportingOverflow(by: 10)
      let (next, carry) =
        isNegative ? shifted.subtractingReportingOverflow(T(digit)) : shifted.addingReportingOverflow(T(digit))
      guard !overflow && !carry else { throw JSONError("the integer doesn't fit", at: first) }
      value = next
      index += 1
    }
    return value
  }

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
