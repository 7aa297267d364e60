import CSQLite
package import Inference

/// What a statement takes and a column gives: `Int`, `Double`, `String`, `[UInt8]`, and each of them as an optional.
package protocol SQLValue: Sendable {
  /// - Returns: SQLite's code.
  func bind(to statement: OpaquePointer, at index: CInt) -> CInt
  /// Nil where the column holds something else: nothing is converted.
  static func read(_ statement: OpaquePointer, at index: CInt) -> Self?
}

/// SQLite copies the bytes before the call returns. A constant, never called.
private nonisolated(unsafe) let copied = unsafeBitCast(-1, to: sqlite3_destructor_type.self)

extension Int: SQLValue {
  package func bind(to statement: OpaquePointer, at index: CInt) -> CInt {
    sqlite3_bind_int64(statement, index, Int64(self))
  }
  package static func read(_ statement: OpaquePointer, at index: CInt) -> Int? {
    sqlite3_column_type(statement, index) == SQLITE_INTEGER ? Int(sqlite3_column_int64(statement, index)) : nil
  }
}

extension Double: SQLValue {
  package func bind(to statement: OpaquePointer, at index: CInt) -> CInt {
    sqlite3_bind_double(statement, index, self)
  }
  package static func read(_ statement: OpaquePointer, at index: CInt) -> Double? {
    sqlite3_column_type(statement, index) == SQLITE_FLOAT ? sqlite3_column_double(statement, index) : nil
  }
}

extension String: SQLValue {
  package func bind(to statement: OpaquePointer, at index: CInt) -> CInt {
    // As a C string it has an address even when it is empty, which would be NULL without one.
    sqlite3_bind_text64(statement, index, self, UInt64(utf8.count), copied, UInt8(SQLITE_UTF8))
  }
  package static func read(_ statement: OpaquePointer, at index: CInt) -> String? {
    guard sqlite3_column_type(statement, index) == SQLITE_TEXT, let start = sqlite3_column_text(statement, index)
    else { return nil }
    let bytes = UnsafeBufferPointer(start: start, count: Int(sqlite3_column_bytes(statement, index)))
    return String(validating: bytes, as: UTF8.self)
  }
}

extension [UInt8]: SQLValue {
  package func bind(to statement: OpaquePointer, at index: CInt) -> CInt {
    isEmpty
      ? sqlite3_bind_zeroblob(statement, index, 0)
      : sqlite3_bind_blob64(statement, index, self, UInt64(count), copied)
  }
  package static func read(_ statement: OpaquePointer, at index: CInt) -> [UInt8]? {
    guard sqlite3_column_type(statement, index) == SQLITE_BLOB else { return nil }
    guard let start = sqlite3_column_blob(statement, index) else { return [] }
    return Array(UnsafeRawBufferPointer(start: start, count: Int(sqlite3_column_bytes(statement, index))))
  }
}

extension Optional: SQLValue where Wrapped: SQLValue {
  package func bind(to statement: OpaquePointer, at index: CInt) -> CInt {
    self?.bind(to: statement, at: index) ?? sqlite3_bind_null(statement, index)
  }
  package static func read(_ statement: OpaquePointer, at index: CInt) -> Wrapped?? {
    if sqlite3_column_type(statement, index) == SQLITE_NULL { return .some(nil) }
    return Wrapped.read(statement, at: index).map { .some($0) }
  }
}

extension TenantID: SQLValue {
  package func bind(to statement: OpaquePointer, at index: CInt) -> CInt { text.bind(to: statement, at: index) }
  package static func read(_ statement: OpaquePointer, at index: CInt) -> TenantID? {
    String.read(statement, at: index).flatMap { TenantID($0) }
  }
}
