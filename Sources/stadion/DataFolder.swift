import Admission
import Glibc
import Inference
import StadionClient
import Store

/// What `--data` names: `stadion.db`, what the registry keeps, and `tenants/TENANT/models`.
struct DataFolder {
  let path: String
  let database: Database
  var tenantsPath: String { "\(path)/tenants" }

  /// Makes what is missing, for its owner alone: what is in it is served and trusted. Requests go from here on by what
  /// the database knows of callers.
  init(_ folder: String, for admission: Admission) throws {
    guard mkdir(folder, 0o700) == 0 || errno == EEXIST, let real = realpath(folder, nil) else {
      throw UsageError("--data \(folder): \(String(cString: strerror(errno)))")
    }
    path = String(cString: real)
    free(real)
    guard mkdir("\(path)/tenants", 0o700) == 0 || errno == EEXIST else {
      throw UsageError("--data \(path)/tenants: \(String(cString: strerror(errno)))")
    }
    database = try Database(path: "\(path)/stadion.db") { (db) throws(HostError) in try admission.load(db) }
  }
}
