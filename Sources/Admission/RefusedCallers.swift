import CLinux
package import Inference
package import Store
import Synchronization
import Telemetry

/// Callers who were turned away, for the audit and `/metrics`. Any thread; whoever notes one waits for no disk.
package final class RefusedCallers: Sendable {
  /// What is known of a request that is turned away.
  package struct Origin: Sendable {
    /// As `tcp 10.1.2.3` or `unix uid=1000`: without what differs from one connection to the next.
    package let source: String
    package let requestID: String

    package init(source: String, requestID: String) {
      self.source = source
      self.requestID = requestID
    }
  }

  private static let pause = Duration.seconds(1)

  private let book = Mutex(RefusalBook())

  /// Since the start.
  package var totals: [RefusalReason: UInt64] { book.withLock { $0.totals } }

  /// - Parameter key: Whose key it was, if there is or was such a key.
  func note(_ reason: RefusalReason, of key: Caller?, from origin: Origin) {
    let kind = RefusalBook.Kind(
      reason: reason, caller: key?.name ?? "nobody", tenant: key?.tenant ?? .standard, source: origin.source)
    let nowMs = WallClock.nowMs
    book.withLock { $0.add(kind, sinceMs: nowMs, requestID: origin.requestID) }
  }

  /// Writes what is due into the audit until its task is cancelled.
  package func run(in database: Database) async {
    await RegularSave.run(every: Self.pause, "can't write refused callers into the audit") {
      try await save(in: database)
    }
  }

  /// - Parameter isLast: Also what isn't due.
  package func save(in database: Database, isLast: Bool = false) async throws(HostError) {
    let nowMs = Int(linux_now_ns() / 1_000_000)
    let rows = book.withLock { $0.take(nowMs: nowMs, isLast: isLast) }
    guard !rows.isEmpty else { return }
    do throws(HostError) {
      try await database.transaction { (db) throws(HostError) in
        for row in rows {
          try db.addAudit(
            Author(row.kind.caller, origin: row.kind.source, requestID: row.requestID), "caller.refuse",
            of: row.kind.tenant.text, row.kind.reason.words, count: row.count, sinceMs: row.sinceMs)
        }
      }
    } catch {
      book.withLock { $0.putBack(rows) }
      throw error
    }
  }
}
