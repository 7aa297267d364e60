import Admission
import Glibc
import Inference
import Store

/// What `--data` names: `stadion.db`, and `tenants/TENANT/models`.
struct DataFolder {
  let path: String
  var tenantsPath: String { "\(path)/tenants" }

  /// Makes what is missing, for its owner alone.
  init(_ folder: String) throws(HostError) {
    try Self.make(folder)
    guard let real = realpath(folder, nil) else { throw Self.failure(folder) }
    path = String(cString: real)
    free(real)
    try Self.make(tenantsPath)
  }

  /// Opens the database and lets requests go by what it knows of callers.
  func openDatabase(for admission: Admission) throws(HostError) -> Database {
    try Database(path: "\(path)/stadion.db") { (db) throws(HostError) in try admission.load(db) }
  }

  private static func make(_ folder: String) throws(HostError) {
    guard mkdir(folder, 0o700) == 0 || errno == EEXIST else { throw failure(folder) }
  }

  private static func failure(_ folder: String) -> HostError {
    HostError(.storageUnavailable, "--data: \(folder) can't be used: \(String(cString: strerror(errno)))")
  }
}
