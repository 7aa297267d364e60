import CSQLite
import Glibc
package import Inference

/// An open database: statements by their text, prepared once. Not Sendable: it stays with its `Database`.
package final class Connection {
  package let path: String
  private let handle: OpaquePointer
  /// Those that aren't running now, by their text.
  private var statements: [String: Statement] = [:]
  /// Texts that are put together, as for filters, must not fill memory.
  private static let statementLimit = 128

  /// Opens or makes the file, for this process alone. Blocks.
  init(path: String) throws(HostError) {
    self.path = path
    // Ours from the first moment; SQLite gives its other files the same permissions.
    let file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard file >= 0 else {
      let text = String(cString: strerror(errno))
      throw HostError(DatabaseFailure(path: path, code: SQLITE_CANTOPEN, text: text), "opening the database")
    }
    close(file)
    var opened: OpaquePointer?
    let code = sqlite3_open_v2(path, &opened, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nil)
    guard code == SQLITE_OK, let opened else {
      let text = String(cString: sqlite3_errstr(code))
      sqlite3_close_v2(opened)
      throw HostError(DatabaseFailure(path: path, code: code, text: text), "opening the database")
    }
    handle = opened
    sqlite3_extended_result_codes(handle, 1)
    sqlite3_busy_timeout(handle, 2000)
    // What is read is kept in memory, so nobody else may write: the file is locked until it is closed.
    _ = try all("PRAGMA locking_mode = EXCLUSIVE") { _ in }
    let mode = try first("PRAGMA journal_mode = WAL") { (row) throws(HostError) -> String in try row.value(0) }
    guard mode == "wal" else {
      let failure = DatabaseFailure(path: path, code: SQLITE_IOERR, text: "journal mode is \(mode ?? "none"), not wal")
      throw HostError(failure, "opening the database")
    }
    // Each commit is on the disk before it is acknowledged.
    try run("PRAGMA synchronous = FULL")
    try run("PRAGMA foreign_keys = ON")
    // Else REPLACE deletes rows past the triggers that keep them.
    try run("PRAGMA recursive_triggers = ON")
  }

  deinit {
    statements = [:]
    sqlite3_close_v2(handle)
  }

  // MARK: Statements

  /// Runs one statement to its end.
  ///
  /// - Parameter what: For the error: what is being done.
  /// - Returns: Rows that it changed.
  @discardableResult
  package func run(
    _ sql: String, _ values: any SQLValue..., doing what: String = "changing the database"
  ) throws(HostError) -> Int {
    try each(sql, values, what) { (_) throws(HostError) in true }
    return Int(sqlite3_changes64(handle))
  }

  /// Every row, as `make` reads it.
  package func all<Value>(
    _ sql: String, _ values: any SQLValue..., make: (Row) throws(HostError) -> Value
  ) throws(HostError) -> [Value] {
    var made: [Value] = []
    try each(sql, values, "reading the database") { (row) throws(HostError) in
      made.append(try make(row))
      return true
    }
    return made
  }

  /// The first row; nil if there is none.
  package func first<Value>(
    _ sql: String, _ values: any SQLValue..., make: (Row) throws(HostError) -> Value
  ) throws(HostError) -> Value? {
    var made: Value?
    try each(sql, values, "reading the database") { (row) throws(HostError) in
      made = try make(row)
      return false
    }
    return made
  }

  /// The key of the row that was inserted last.
  package var lastRowID: Int { Int(sqlite3_last_insert_rowid(handle)) }

  /// Several statements without values, as a migration has.
  func runScript(_ sql: String, doing what: String) throws(HostError) {
    guard sqlite3_exec(handle, sql, nil, nil, nil) == SQLITE_OK else { throw error(what) }
  }

  /// - Parameter visit: False ends it.
  private func each(
    _ sql: String, _ values: [any SQLValue], _ what: String, _ visit: (Row) throws(HostError) -> Bool
  ) throws(HostError) {
    // Out of the cache while it runs: the same text may be wanted inside.
    let statement = if let known = statements.removeValue(forKey: sql) { known } else { try prepare(sql, what) }
    defer {
      sqlite3_reset(statement.handle)
      sqlite3_clear_bindings(statement.handle)
      if statements.count >= Self.statementLimit { statements = [:] }
      statements[sql] = statement
    }
    precondition(sqlite3_bind_parameter_count(statement.handle) == values.count, "values don't fit: \(sql)")
    for (index, value) in values.enumerated() {
      guard value.bind(to: statement.handle, at: CInt(index + 1)) == SQLITE_OK else { throw error(what) }
    }
    while true {
      switch sqlite3_step(statement.handle) {
      case SQLITE_ROW:
        guard try visit(Row(statement: statement.handle, path: path)) else { return }
      case SQLITE_DONE: return
      default: throw error(what)
      }
    }
  }

  private func prepare(_ sql: String, _ what: String) throws(HostError) -> Statement {
    var made: OpaquePointer?
    let flags = UInt32(SQLITE_PREPARE_PERSISTENT)
    guard sqlite3_prepare_v3(handle, sql, CInt(sql.utf8.count), flags, &made, nil) == SQLITE_OK, let made else {
      throw error(what)
    }
    return Statement(made)
  }

  private func error(_ what: String) -> HostError {
    let code = sqlite3_extended_errcode(handle)
    return HostError(DatabaseFailure(path: path, code: code, text: String(cString: sqlite3_errmsg(handle))), what)
  }

  // MARK: Transactions

  /// All of `body` or nothing; what is done when it returns survives a crash of the process or the machine.
  @discardableResult
  package func transaction<Value>(_ body: (Connection) throws(HostError) -> Value) throws(HostError) -> Value {
    try run("BEGIN IMMEDIATE")
    do throws(HostError) {
      let value = try body(self)
      try run("COMMIT")
      return value
    } catch {
      // A full disk may have ended the transaction already.
      if sqlite3_get_autocommit(handle) == 0 { sqlite3_exec(handle, "ROLLBACK", nil, nil, nil) }
      throw error
    }
  }

  private final class Statement {
    let handle: OpaquePointer
    init(_ handle: OpaquePointer) { self.handle = handle }
    deinit { sqlite3_finalize(handle) }
  }
}

/// The row that a statement stands on; valid until the closure that gets it returns.
package struct Row {
  fileprivate let statement: OpaquePointer
  fileprivate let path: String

  /// - Throws: `.storageCorrupt` where column `index` holds something else.
  package func value<Value: SQLValue>(_ index: Int, as type: Value.Type = Value.self) throws(HostError) -> Value {
    if let value = Value.read(statement, at: CInt(index)) { return value }
    let column = sqlite3_column_name(statement, CInt(index)).map { String(cString: $0) } ?? String(index)
    let failure = DatabaseFailure(path: path, code: SQLITE_CORRUPT, text: "\(column) is no \(type)")
    throw HostError(failure, "reading the database")
  }
}
