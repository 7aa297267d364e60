import Inference

/// Why somebody isn't let in.
package enum RefusalReason: String, Sendable, CaseIterable {
  case unknownKey = "unknown_key"
  case expiredKey = "expired_key"
  case revokedKey = "revoked_key"
  /// Over TCP.
  case noKey = "no_key"
  /// On the Unix socket, without a key.
  case unmappedUser = "unmapped_user"

  /// For people.
  var words: String { rawValue.replacing("_", with: " ") }
}

/// Refusals of one kind that the audit gets in one row: who is turned away sends as many requests as they like, and must
/// not fill the disk with them.
///
/// A row is due at once for a kind that is new, then after a pause that doubles while it goes on. What would be too many
/// kinds, or too many rows in a day, loses its address, and nothing else.
struct RefusalBook: Sendable {
  struct Limits: Sendable {
    /// Kinds with an address that are told apart at once: about 50 KB.
    var kinds = 256
    /// Rows with an address in a day: about 200 KB of the database.
    var dailyRows = 1000
    var firstPauseMs = 60_000
    var lastPauseMs = 3_600_000
  }

  struct Kind: Hashable, Sendable {
    let reason: RefusalReason
    /// `key:ID` where the key is known, else `nobody`.
    let caller: String
    /// The key's, else the default one, whose admins run the host.
    let tenant: TenantID
    /// As `tcp 10.1.2.3` or `unix uid=1000`.
    var source: String

    static let otherSources = "other addresses"

    /// There are as many of these as keys, times reasons.
    var withoutSource: Kind { Kind(reason: reason, caller: caller, tenant: tenant, source: Self.otherSources) }
  }

  struct Row: Sendable, Equatable {
    let kind: Kind
    let count: Int
    /// Of the first of them; milliseconds since 1970.
    let sinceMs: Int
    /// Of the first of them.
    let requestID: String
  }

  private struct Entry: Sendable {
    var pending: Row?
    var pauseMs: Int
    /// When its last row was taken; nil before the first.
    var takenMs: Int?

    func isDue(_ nowMs: Int) -> Bool { takenMs.map { nowMs - $0 >= pauseMs } ?? true }
  }

  private let limits: Limits
  private var entries: [Kind: Entry] = [:]
  /// Those without an address don't count.
  private var kindCount = 0
  private var rowsLeft: Int
  private var dayBeganMs = 0
  private(set) var totals: [RefusalReason: UInt64] = [:]

  init(_ limits: Limits = Limits()) {
    self.limits = limits
    rowsLeft = limits.dailyRows
  }

  /// - Parameter sinceMs: Now, in milliseconds since 1970.
  mutating func add(_ kind: Kind, sinceMs: Int, requestID: @autoclosure () -> String) {
    totals[kind.reason, default: 0] += 1
    let isTold = entries[kind] != nil || kindCount < limits.kinds
    let kind = isTold ? kind : kind.withoutSource
    let isFirst = entries[kind]?.pending == nil
    put(Row(kind: kind, count: 1, sinceMs: sinceMs, requestID: isFirst ? requestID() : ""))
  }

  /// Takes the rows that are due.
  ///
  /// - Parameters:
  ///   - nowMs: Of a clock that doesn't jump.
  ///   - isLast: Those that aren't due, too.
  mutating func take(nowMs: Int, isLast: Bool = false) -> [Row] {
    if nowMs - dayBeganMs >= 86_400_000 { (dayBeganMs, rowsLeft) = (nowMs, limits.dailyRows) }
    var rows: [Row] = []
    let due = entries.filter { isLast || $0.value.isDue(nowMs) }
    for kind in due.keys where kind.source != Kind.otherSources {
      guard entries[kind]?.pending == nil || rowsLeft > 0 else {
        move(kind)
        continue
      }
      if let row = take(kind, nowMs) {
        rows.append(row)
        rowsLeft -= 1
      }
    }
    for (kind, entry) in entries where kind.source == Kind.otherSources && (isLast || entry.isDue(nowMs)) {
      if let row = take(kind, nowMs) { rows.append(row) }
    }
    return rows
  }

  /// Takes back rows that couldn't be written; they are due again.
  mutating func putBack(_ rows: [Row]) {
    for row in rows {
      put(row)
      entries[row.kind]?.takenMs = nil
      if row.kind.source != Kind.otherSources { rowsLeft += 1 }
    }
  }

  /// - Returns: Nil where it was quiet for the whole pause; the kind is forgotten then.
  private mutating func take(_ kind: Kind, _ nowMs: Int) -> Row? {
    guard var entry = entries[kind] else { return nil }
    guard let row = entry.pending else {
      entries[kind] = nil
      if kind.source != Kind.otherSources { kindCount -= 1 }
      return nil
    }
    entry.pauseMs = entry.takenMs == nil ? limits.firstPauseMs : min(entry.pauseMs * 2, limits.lastPauseMs)
    entry.takenMs = nowMs
    entry.pending = nil
    entries[kind] = entry
    return row
  }

  private mutating func move(_ kind: Kind) {
    guard let row = entries.removeValue(forKey: kind)?.pending else { return }
    kindCount -= 1
    put(Row(kind: kind.withoutSource, count: row.count, sinceMs: row.sinceMs, requestID: row.requestID))
  }

  private mutating func put(_ row: Row) {
    let kind = row.kind
    if entries[kind] == nil {
      entries[kind] = Entry(pauseMs: limits.firstPauseMs)
      if kind.source != Kind.otherSources { kindCount += 1 }
    }
    let former = entries[kind]?.pending
    let first = former.map { $0.sinceMs <= row.sinceMs ? $0 : row } ?? row
    entries[kind]?.pending = Row(
      kind: kind, count: row.count + (former?.count ?? 0), sinceMs: first.sinceMs, requestID: first.requestID)
  }
}
