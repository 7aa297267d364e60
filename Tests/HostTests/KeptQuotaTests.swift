import BlockingTests
import Foundation
import Inference
import StadionClient
import Testing
import Wire

/// Limits and usage that a host with a data folder keeps.
@Suite(.blocking) struct `Quotas that are kept` {
  private static let question = #"{"inputs":[{"name":"X","datatype":"FP32","shape":[1],"data":[1]}]}"#
  private let folder = TemporaryFolder()

  private func host(_ arguments: String...) throws -> Host {
    try Host(["--data", "\(folder.path)/data"] + arguments, folder: folder) { try $0.addEcho("echo", "X:f32[-1]") }
  }

  private func ask(_ host: Host) throws -> Int {
    try host.send("POST", "/v2/models/echo/infer", Self.question).status
  }

  private func requests(_ host: Host) throws -> Int? { try host.json("GET", "/v1/quota")["today"]?["requests"]?.int }

  private func set(_ host: Host, _ method: String, _ limits: String) throws -> HTTPResponse {
    try host.send(method, "/v1/tenants/default/quota", limits)
  }

  // MARK: Usage

  @Test func `kill -9 loses a second of usage at most`() throws {
    var sent: [ContinuousClock.Instant] = []
    var host: Host? = try host()
    let first = try #require(host)
    let end = ContinuousClock.now + .seconds(3)
    while ContinuousClock.now < end {
      #expect(try ask(first) == 200)
      sent.append(.now)
    }
    let killed = ContinuousClock.now
    host?.command.send(SIGKILL)
    _ = try host?.command.wait()
    host = try self.host()
    let again = try #require(host)
    let kept = try #require(try requests(again))
    let older = sent.count { $0 < killed - .seconds(1) }
    #expect(kept >= older && kept <= sent.count, "\(kept) of \(sent.count), \(older) of them older than a second")
    #expect(older > 0)
  }

  @Test func `an end that was asked for loses nothing`() throws {
    var host: Host? = try host()
    let first = try #require(host)
    for _ in 0..<20 { #expect(try ask(first) == 200) }
    host?.command.send(SIGTERM)
    #expect(try host?.command.wait().status == 0)
    host = try self.host()
    let again = try #require(host)
    #expect(try requests(again) == 20)
  }

  @Test func `what was used and when it begins anew is told`() throws {
    let host = try host("--quota-concurrent-requests", "9")
    #expect(try ask(host) == 200)
    let answer = try host.json("GET", "/v1/quota")
    #expect(answer["tenant"] == "default" && answer["limits"]?["concurrentRequests"] == 9)
    #expect(answer["own"] == [] && answer["now"]?["concurrentRequests"] == 0)
    #expect(answer["today"]?["requests"] == 1 && answer["today"]?["inputBytes"]?.int == Self.question.utf8.count)
    #expect(answer["today"]?["resets"]?.string?.hasSuffix("T00:00:00.000Z") == true)
    let seconds = try #require(answer["today"]?["resetSeconds"]?.int)
    #expect((1...86_400).contains(seconds))
  }

  // MARK: Limits

  @Test func `a limit that is set acts on the next request, and after a restart`() throws {
    var host: Host? = try host()
    let first = try #require(host)
    #expect(try ask(first) == 200)
    #expect(try set(first, "PUT", #"{"requestsPerSecond": 1, "burst": 1}"#).status == 200)
    let answers = try (0..<3).map { _ in try ask(first) }
    #expect(answers.contains(429), "\(answers)")
    #expect(try first.json("GET", "/v1/quota")["own"] == ["requestsPerSecond", "burst"])
    #expect(try set(first, "PATCH", #"{"weight": 4, "burst": null}"#).status == 200)
    host?.command.send(SIGKILL)
    _ = try host?.command.wait()
    host = try self.host()
    let second = try #require(host)
    let limits = try second.json("GET", "/v1/tenants/default/quota")["limits"]
    #expect(limits?["requestsPerSecond"] == 1 && limits?["burst"] == 0 && limits?["weight"] == 4)
    #expect(try set(second, "PUT", "{}").status == 200)
    for _ in 0..<20 { #expect(try ask(second) == 200) }
  }

  @Test(arguments: [
    (#"{"weight": 0}"#, "'weight' must be a whole number from 1 to 1024, not 0"),
    (#"{"burst": -1}"#, "'burst' must be a whole number from 0 to 1000000, not -1"),
    (#"{"burst": 1.5}"#, "'burst' must be"), (#"{"burst": null}"#, "'burst' must be"),
    (#"{"requests": 1}"#, "'requests' is not known here"), ("[]", "the body must be an object"),
  ])
  func `a limit that can't be is refused, and nothing changes`(body: String, message: String) throws {
    let host = try host()
    #expect(try set(host, "PUT", #"{"weight": 2}"#).status == 200)
    let answer = try set(host, "PUT", body)
    #expect(answer.status == 400)
    let error = try JSONValue(parsing: answer.body)["error"]?.string ?? ""
    #expect(error.hasPrefix(message), "\(error)")
    #expect(try host.json("GET", "/v1/quota")["own"] == ["weight"])
  }

  @Test func `an operator sees another tenant's, as everywhere`() throws {
    let host = try host()
    _ = try host.json("POST", "/v1/tenants", #"{"id": "acme"}"#)
    #expect(try host.json("GET", "/v1/quota?tenant=acme")["tenant"] == "acme")
    #expect(try host.json("GET", "/v1/quota")["tenant"] == "default")
    #expect(try host.send("GET", "/v1/quota?tenant=absent").status == 404)
  }

  @Test func `tenants that aren't there have no quota`() throws {
    let host = try host()
    #expect(try host.send("PUT", "/v1/tenants/nobody/quota", "{}").status == 404)
    #expect(try host.send("PUT", "/v1/tenants/No%20Body/quota", "{}").status == 404)
  }

  @Test func `a host that keeps nothing says how to keep limits`() throws {
    let host = try Host()
    #expect(try host.json("GET", "/v1/quota")["limits"]?["weight"] == 1)
    let answer = try host.send("PUT", "/v1/tenants/default/quota", "{}")
    #expect(answer.status == 501 && String(decoding: answer.body, as: UTF8.self).contains("--data"))
  }

  // MARK: What is stored

  private func details(_ answer: HTTPResponse) throws -> JSONValue? { try JSONValue(parsing: answer.body)["details"] }

  private func stored(_ host: Host) throws -> Int? { try host.json("GET", "/v1/quota")["now"]?["storedBytes"]?.int }

  private func begin(_ host: Host, _ byteCount: Int) throws -> HTTPResponse {
    try host.send("POST", "/v1/uploads", "{\"bytes\":\(byteCount)}")
  }

  @Test func `an upload that has no room is refused before it begins`() throws {
    let host = try host("--quota-stored-bytes", "1000")
    let begun = try begin(host, 600)
    let first = try #require(try JSONValue(parsing: begun.body)["id"]?.string)
    #expect(try stored(host) == 600)
    let refused = try begin(host, 401)
    #expect(refused.status == 429)
    #expect(try details(refused) == ["limit": "storedBytes", "value": 1000, "used": 600, "wanted": 401])
    #expect(refused.header("ratelimit-policy") == #""storedBytes";q=1000;qu="stored-bytes""#)
    #expect(try stored(host) == 600)
    #expect(try begin(host, 400).status == 200)
    #expect(try host.send("DELETE", "/v1/uploads/\(first)").status == 200)
    #expect(try stored(host) == 400)
    #expect(try begin(host, 600).status == 200)
  }

  @Test func `an upload that announces nothing is refused where its bytes have no room`() throws {
    let host = try host("--quota-stored-bytes", "100")
    let id = try #require(host.json("POST", "/v1/uploads", "{}")["id"]?.string)
    #expect(try host.send("PUT", "/v1/uploads/\(id)", String(repeating: "a", count: 60)).status == 200)
    let refused = try host.send("PUT", "/v1/uploads/\(id)?offset=60", String(repeating: "a", count: 60))
    #expect(refused.status == 429)
    #expect(refused.rateLimit == #""storedBytes";q=100;qu="stored-bytes" 100 0 60 after 60"#)
    #expect(try host.json("GET", "/v1/uploads/\(id)")["offset"] == 60)
    #expect(try stored(host) == 60)
    // The refused body ends its connection: what it has is not to be read.
    #expect(try host.send("PUT", "/v1/uploads/\(id)?offset=60", String(repeating: "a", count: 40)).status == 200)
  }

  @Test func `uploads count after a restart, too`() throws {
    var host: Host? = try host()
    let first = try #require(host)
    let id = try #require(first.json("POST", "/v1/uploads", "{}")["id"]?.string)
    #expect(try first.send("PUT", "/v1/uploads/\(id)", "0123456789").status == 200)
    #expect(try begin(first, 20).status == 200)
    host?.command.send(SIGKILL)
    _ = try host?.command.wait()
    host = try self.host("--quota-stored-bytes", "40")
    let again = try #require(host)
    #expect(try stored(again) == 30)
    #expect(try begin(again, 11).status == 429)
  }

  @Test(.enabled(if: Setup.hasOnnxRuntime, Comment(rawValue: Setup.needsOnnxRuntime)))
  func `a model too many leaves nothing behind`() throws {
    let host = try host("--quota-registered-models", "1")
    #expect(try host.stadion("model", "push", Setup.onnx("identity"), "one").status == 0)
    let size = try stored(host)
    let refused = try host.stadion("model", "push", Setup.onnx("identity"), "two")
    #expect(refused.status == 1 && refused.errors.contains("1 registered models are the limit"), "\(refused.errors)")
    #expect(try host.json("GET", "/v1/models/two/versions").text.contains("identity") == false)
    #expect(try host.json("GET", "/v1/versions")["versions"]?.array?.count == 1)
    let model = [UInt8](try Data(contentsOf: URL(fileURLWithPath: Setup.onnx("identity"))))
    let left = try host.client.beginUpload(byteCount: model.count, sha256: Setup.sha256(model))
    try host.client.upload(model, to: left, at: 0)
    let answer = try host.send(
      "POST", "/v1/models/two/versions", "{\"files\": [{\"path\": \"model.onnx\", \"upload\": \"\(left)\"}]}")
    #expect(answer.status == 429 && answer.rateLimit == #""registeredModels";q=1;qu="models" 1 0 60 after 60"#)
    // A further version of the one that is there is no further model.
    #expect(try host.stadion("model", "push", Setup.onnx("identity"), "one").status == 0)
    #expect(try host.json("GET", "/v1/quota")["now"]?["registeredModels"] == 1)
    let (before, after) = (try #require(size), try #require(try stored(host)))
    // The refused one's upload is still there, for whoever makes room.
    #expect(before > 0 && after >= 2 * before)
    // A higher limit, and it is taken.
    #expect(try set(host, "PATCH", #"{"registeredModels": 2}"#).status == 200)
    #expect(try host.stadion("model", "push", Setup.onnx("identity"), "two").status == 0)
  }
}
