package import Telemetry

extension Exchange {
  /// What every line of the log about it names.
  package var logFields: [(String, String)] {
    [("requestId", requestID)] + (peer?.tenant.map { [("tenant", $0)] } ?? [])
  }

  /// The same for lines that are written while it is answered.
  package var logContext: Log.RequestContext { Log.RequestContext(id: requestID, tenant: peer?.tenant) }
}
