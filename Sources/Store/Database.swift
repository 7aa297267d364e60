package import Inference
import Threads

/// The host's database: one file, one connection, and a thread where it may block.
///
///     let names = try await database.read { (db) throws(HostError) in
///       try db.all("SELECT id FROM tenants WHERE createdMs > ?", start) { (row) throws(HostError) -> String in
///         try row.value(0)
///       }
///     }
package actor Database {
  package nonisolated let path: String
  private let connection: Connection
  private nonisolated let thread = RunThreads(name: "database", limit: 1)

  package nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

  /// Opens or makes the file and brings it to the newest form. Blocks: call at the start.
  ///
  /// - Throws: `.storageUnavailable` while another process has it, `.conflict` if a newer program has written it.
  ///
  /// - Parameter first: Called once on this thread, before anybody else has the database.
  package init(
    path: String, migrations: [Migration] = Schema.migrations,
    first: (Connection) throws(HostError) -> Void = { _ in }
  ) throws(HostError) {
    self.path = path
    let connection = try Connection(path: path)
    try Migration.bring(connection, to: migrations)
    try first(connection)
    self.connection = connection
  }

  deinit { thread.end() }

  package func read<Value: Sendable>(
    _ body: @Sendable (Connection) throws(HostError) -> Value
  ) throws(HostError) -> Value {
    try body(connection)
  }

  /// All of `body` or nothing; what is done when it returns survives a crash of the process or the machine.
  @discardableResult
  package func transaction<Value: Sendable>(
    _ body: @Sendable (Connection) throws(HostError) -> Value
  ) throws(HostError) -> Value {
    try connection.transaction(body)
  }
}
