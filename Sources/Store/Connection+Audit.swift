package import Inference
import Telemetry

/// Who asks for a change, for the audit and for histories.
package struct Author: Sendable {
  /// As `uid:1000`, `key:3f9a0c51b2d4` or `anonymous`.
  package let name: String
  /// As `unix uid=1000 pid=4711` or `tcp 127.0.0.1:51122`.
  package let origin: String
  package let requestID: String

  package init(_ name: String, origin: String, requestID: String) {
    self.name = name
    self.origin = origin
    self.requestID = requestID
  }
}

extension Connection {
  /// Writes down who has changed what; in the change's own transaction.
  ///
  /// - Parameters:
  ///   - count: Requests that it stands for.
  ///   - sinceMs: When the first of several came, in milliseconds since 1970.
  package func addAudit(
    _ author: Author, _ action: String, of tenant: String, _ subject: String, count: Int = 1, sinceMs: Int? = nil
  ) throws(HostError) {
    try run(
      """
      INSERT INTO audit (timeMs, tenant, caller, origin, action, subject, requestID, count, sinceMs)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
      """, WallClock.nowMs, tenant, author.name, author.origin, action, subject, author.requestID, count, sinceMs,
      doing: "writing the audit")
  }
}
