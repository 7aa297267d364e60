package import Inference
package import Wire

/// A blocking client of a host: what command lines and tests need of it.
///
/// Each call sends one request and waits for the answer on the calling thread; see `HTTPConnection`. Refusals of the
/// server are thrown as `HostError` with its own text. Owned by one thread at a time.
package final class StadionClient {
  package let connection: HTTPConnection

  /// - Parameter key: API key; nil for none.
  package init(_ address: HostAddress, timeout: Duration = .seconds(60), key: String? = nil) {
    connection = HTTPConnection(address, timeout: timeout)
    connection.key = key
  }

  package func isReady() throws(HostError) -> Bool { try connection.send("GET", "/v2/health/ready").status == 200 }

  /// Inputs and outputs of a model; the version that serves unless `model` names one.
  package func metadata(_ model: ModelID) throws(HostError) -> ModelMetadata {
    try ModelMetadata(try get(Self.path(of: model)))
  }

  /// `{"model_stats": […]}` of the protocol's statistics extension; servers without it refuse.
  package func modelStatistics(_ model: ModelID) throws(HostError) -> JSONValue {
    try get(Self.path(of: model) + "/stats")
  }

  /// `{"runners": […], "problems": […]}` as the host prints it.
  ///
  /// - Parameter all: Refused and filtered runners too.
  package func runners(all: Bool = false) throws(HostError) -> JSONValue {
    try get(all ? "/v1/runners?all=1" : "/v1/runners")
  }

  /// One of them, which the host opens for it.
  package func runner(_ id: String) throws(HostError) -> JSONValue { try get("/v1/runners/\(Self.escaped(id))") }

  /// `{"models": […]}` as the host prints it.
  package func models() throws(HostError) -> JSONValue { try get("/v1/models") }

  /// Counts since the host's start, and what goes on now.
  package func statistics() throws(HostError) -> HostSample {
    guard let sample = HostSample(try get("/v1/statistics")) else {
      throw HostError(.internalError, "the server's statistics lack what every host says")
    }
    return sample
  }

  /// One entry of `models()`.
  package func model(_ name: String) throws(HostError) -> JSONValue { try get("/v1/models/\(Self.escaped(name))") }

  /// Loads a model and its new versions; returns when it serves.
  package func load(_ name: String) throws(HostError) { try control(name, "load") }

  /// Stops serving a model; requests in flight finish.
  package func unload(_ name: String) throws(HostError) { try control(name, "unload") }

  /// Runs a model once. Tensors travel in binary both ways; a server that answers in JSON is understood too.
  ///
  /// - Parameters:
  ///   - outputs: Those wanted; empty for all.
  ///   - parameters: Of the request: `device`, `timeout` in microseconds, and what the model takes.
  /// - Throws: the server's refusal, or `.internalError` when shapes and bytes of its answer disagree.
  package func infer(
    _ model: ModelID, inputs: [DenseTensor], outputs: [RequestedOutput] = [],
    parameters: [(String, JSONValue)] = []
  ) throws(HostError) -> InferenceAnswer {
    let (body, headLength) = InferenceMessage.request(inputs, outputs, parameters)
    let response = try connection.send(
      "POST", Self.path(of: model) + "/infer",
      headers: [
        ("Content-Type", "application/octet-stream"), (InferenceMessage.lengthHeader, String(headLength)),
      ], body: body)
    try Self.check(response)
    return try InferenceMessage.answer(response)
  }

  /// As `infer`, in the protocol's plain form: for servers that know no other.
  package func inferAsJSON(_ model: ModelID, inputs: [DenseTensor]) throws(HostError) -> InferenceAnswer {
    let response = try connection.send(
      "POST", Self.path(of: model) + "/infer", headers: [("Content-Type", "application/json")],
      body: try InferenceMessage.json(inputs))
    try Self.check(response)
    return try InferenceMessage.answer(response)
  }

  /// Ends a runner's quarantine, or gives it a fresh process; returns once that serves.
  ///
  /// - Parameter tenant: For whose models it is; nil for the caller's own, or for those of all.
  package func restartRunner(_ id: String, of tenant: String? = nil) throws(HostError) {
    let query = tenant.map { "?tenant=\(Self.escaped($0))" } ?? ""
    try Self.check(try connection.send("POST", "/v1/runners/\(Self.escaped(id))/restart\(query)"))
  }

  private func get(_ path: String) throws(HostError) -> JSONValue {
    let response = try connection.send("GET", path)
    try Self.check(response)
    return try Self.json(response.body)
  }

  private func control(_ name: String, _ verb: String) throws(HostError) {
    let path = "/v2/repository/models/\(Self.escaped(name))/\(verb)"
    try Self.check(
      try connection.send("POST", path, headers: [("Content-Type", "application/json")], body: Array("{}".utf8)))
  }

  static func json(_ body: [UInt8]) throws(HostError) -> JSONValue {
    do { return try JSONValue(parsing: body) } catch {
      throw HostError(.internalError, "the server's answer is no JSON", cause: error)
    }
  }

  /// Turns a refusal into the error that the server meant.
  static func check(_ response: HTTPResponse) throws(HostError) {
    guard !(200..<300).contains(response.status) else { return }
    let body = try? JSONValue(parsing: response.body)
    throw HostError(
      // Other servers of the protocol send the text alone.
      body?["code"]?.string.flatMap(HostError.Code.init) ?? .init(httpStatus: response.status),
      body?["error"]?.string ?? "the server answered \(response.status) without a reason",
      details: body?["details"], retryAfterSeconds: response.header("retry-after").flatMap { Int($0) },
      requestID: body?["requestId"]?.string)
  }

  package static func path(of model: ModelID) -> String {
    let path = "/v2/models/\(escaped(model.name))"
    return model.version.map { "\(path)/versions/\(escaped($0))" } ?? path
  }

  /// One path segment, percent-encoded.
  package static func escaped(_ segment: String) -> String {
    var result = ""
    for byte in segment.utf8 {
      let scalar = Unicode.Scalar(byte)
      if byte < 0x80,
        scalar.properties.isAlphabetic || (48...57).contains(byte) || "-._~".unicodeScalars.contains(scalar)
      {
        result.unicodeScalars.append(scalar)
      } else {
        result += byte < 16 ? "%0" : "%"
        result += String(byte, radix: 16, uppercase: true)
      }
    }
    return result
  }
}
