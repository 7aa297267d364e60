import CSQLite
import Inference

/// What SQLite said, and of which file: for the log; the error's own message goes to clients and names no path.
struct DatabaseFailure: Error, CustomStringConvertible {
  let path: String
  /// SQLite's extended code.
  let code: CInt
  let text: String

  var description: String { "\(path): \(text) (SQLite \(code))" }
}

extension HostError {
  /// - Parameter what: What was being done, as "storing a key".
  init(_ failure: DatabaseFailure, _ what: String) {
    let file = failure.path.split(separator: "/").last ?? "database"
    switch failure.code & 0xFF {
    case SQLITE_FULL:
      self.init(.storageUnavailable, "\(what): no space left for \(file); make room, then try again", cause: failure)
    case SQLITE_BUSY, SQLITE_LOCKED:
      self.init(.storageUnavailable, "\(what): \(file) is in use by another process; end it", cause: failure)
    case SQLITE_IOERR, SQLITE_CANTOPEN, SQLITE_READONLY, SQLITE_PERM, SQLITE_AUTH, SQLITE_NOMEM, SQLITE_NOLFS:
      self.init(
        .storageUnavailable, "\(what): \(file) can't be read or written; look at its disk and permissions",
        cause: failure)
    case SQLITE_CORRUPT, SQLITE_NOTADB:
      self.init(.storageCorrupt, "\(what): \(file) is damaged; restore a copy of it", cause: failure)
    case SQLITE_CONSTRAINT where Self.conflicts.contains(failure.code):
      self.init(.conflict, "\(what): \(Self.conflictText(failure))", cause: failure)
    default: self.init(.internalError, "\(what): the database refused it", cause: failure)
    }
  }

  // Macros with a shift, which Swift doesn't see.
  private static let unique = SQLITE_CONSTRAINT | 8 << 8
  private static let primaryKey = SQLITE_CONSTRAINT | 6 << 8
  private static let foreignKey = SQLITE_CONSTRAINT | 3 << 8
  private static let conflicts = [unique, primaryKey, foreignKey]

  private static func conflictText(_ failure: DatabaseFailure) -> String {
    if failure.code == foreignKey { return "what it refers to isn't there, or is still referred to" }
    // "UNIQUE constraint failed: tenants.id"
    let columns = failure.text.split(separator: ": ").last ?? ""
    return "there is one already with the same \(columns)"
  }
}
