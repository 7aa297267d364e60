import Glibc
import Inference
import Store

/// Writes to a database in a process of its own, so that a test can kill it, or take its disk away.
///
///     StoreProbe write PATH          two rows a transaction, without end; prints each number once it is acknowledged
///     StoreProbe fill PATH BYTES     until no file may grow beyond BYTES; then without that limit
@main enum StoreProbe {
  static let migrations = [
    Migration("rows", sql: "CREATE TABLE rows (number INTEGER, half INTEGER, filling BLOB) STRICT")
  ]

  static func main() async {
    let words = CommandLine.arguments
    do throws(HostError) {
      let database = try Database(path: words[2], migrations: migrations)
      if words[1] == "write" { try await write(database) } else { await fill(database, rlim_t(words[3]) ?? 0) }
    } catch {
      say(error)
      exit(1)
    }
  }

  private static func insert(_ number: Int, byteCount: Int, _ database: Database) async throws(HostError) {
    try await database.transaction { (db) throws(HostError) in
      for half in 0...1 {
        try db.run("INSERT INTO rows VALUES (?, ?, ?)", number, half, [UInt8](repeating: 1, count: byteCount))
      }
    }
  }

  private static func write(_ database: Database) async throws(HostError) {
    let first = try await database.read { (db) throws(HostError) in
      try db.first("SELECT coalesce(max(number), 0) FROM rows") { (row) throws(HostError) -> Int in try row.value(0) }
    }
    var number = first ?? 0
    while true {
      number += 1
      try await insert(number, byteCount: 100, database)
      say(number)
    }
  }

  private static func fill(_ database: Database, _ byteCount: rlim_t) async {
    signal(SIGXFSZ, SIG_IGN)
    limitFiles(byteCount)
    var number = 0
    var failures = 0
    while failures < 2 {
      number += 1
      do throws(HostError) {
        try await insert(number, byteCount: 10_000, database)
        say(number)
      } catch {
        failures += 1
        say("\(error.code): \(error.message)")
        // Once more, full as it is; then with room.
        if failures == 2 { limitFiles(rlim_t.max) }
      }
    }
    do throws(HostError) {
      try await insert(number + 1, byteCount: 10_000, database)
      say(number + 1)
    } catch { say(error) }
  }

  /// Past any buffer: what was said before a kill was said.
  private static func say(_ line: Any) {
    let bytes = Array("\(line)\n".utf8)
    Glibc.write(1, bytes, bytes.count)
  }

  private static func limitFiles(_ byteCount: rlim_t) {
    var limit = rlimit()
    getrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
    limit.rlim_cur = byteCount
    setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
  }
}
