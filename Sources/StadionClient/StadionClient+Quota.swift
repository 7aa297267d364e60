package import Inference
package import Wire

extension StadionClient {
  /// What a tenant may use and has used.
  ///
  /// - Parameter tenant: Nil for the caller's own.
  package func quota(of tenant: String? = nil) throws(HostError) -> JSONValue {
    let path = tenant.map { "/v1/tenants/\(Self.escaped($0))/quota" } ?? "/v1/quota"
    let response = try connection.send("GET", path)
    try Self.check(response)
    return try Self.json(response.body)
  }

  /// Sets some limits of a tenant, at once; null goes back to the default.
  ///
  /// - Returns: Its quota then.
  package func setQuota(of tenant: String, _ limits: [JSONValue.Member]) throws(HostError) -> JSONValue {
    let response = try connection.send(
      "PATCH", "/v1/tenants/\(Self.escaped(tenant))/quota", headers: [("Content-Type", "application/json")],
      body: Array(JSONValue.object(limits).text.utf8))
    try Self.check(response)
    return try Self.json(response.body)
  }
}
