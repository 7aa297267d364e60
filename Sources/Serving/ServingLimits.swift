/// What a peer may take before it is refused. Every field can be set from the command line or the configuration.
package struct ServingLimits: Sendable {
  /// Longer request lines get 414.
  package var requestLineBytes = 16 * 1024
  /// Longer header sections get 431. RFC 9110 section 5.4 sets no limit; this bounds an unread request.
  package var headerBytes = 64 * 1024
  /// More header fields get 431.
  package var headerFields = 200
  /// Larger bodies, decoded ones too, get 413. 256 MiB: about 400 images of [3, 224, 224] floats in one batch.
  package var bodyBytes = 256 * 1024 * 1024
  /// All large bodies under way together; beyond it a request gets 503.
  package var totalBodyBytes = 2 * 1024 * 1024 * 1024
  /// Further connections get 503.
  package var connections = 20_000
  /// Connections of which no caller is known yet; where there are more, the oldest end. 0 = no limit. A caller is known
  /// by the first request, so only those that send nothing, or too slowly, are ever so many.
  package var newConnections = 10_000
  /// Of one tenant, where the handler tells tenants apart; further ones get 429. 0 = no limit. With `newConnections` less
  /// than `connections`: no tenant alone keeps others out.
  package var tenantConnections = 8000
  /// The part of `totalBodyBytes` that is one tenant's at most; then 429. 0 = no limit.
  package var tenantBodyBytes = 1024 * 1024 * 1024
  /// A whole header section must arrive within this; then 408. 0 = no limit.
  package var headerTimeoutMs = 10_000
  /// Longest pause inside a body, and while a peer doesn't read its answer; then 408, or the connection ends.
  package var progressTimeoutMs = 30_000
  /// Least average rate of a body that is waited for; then 408. 0 = none. What a modem of 2,400 bauds could send.
  package var bodyBytesPerSecond = 240
  /// For so long a body may be slower.
  package var bodyGraceMs = 5000
  /// A kept-alive TCP connection is closed after this; 0 = never. Clients count on at least 75 s.
  package var idleTimeoutMs = 90_000
  /// The same on a Unix socket, where an idle peer costs next to nothing.
  package var unixIdleTimeoutMs = 0
  /// In-flight requests may take this long after SIGTERM.
  package var drainTimeoutMs = 30_000

  package init() {}
}
