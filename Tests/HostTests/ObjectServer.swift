import Foundation
import Storage
import Wire

/// A provider's stand-in of Tests/StorageTests/Servers, with faults; ended with the last reference.
final class ObjectServer: Sendable {
  static let python =
    ProcessInfo.processInfo.environment["STADION_STORAGE_PYTHON"] ?? Setup.root + "/.stadion/storage-venv/bin/python"
  static let keyID = "AKIATEST"
  static let secret = "s3cr3t/of+tests"

  let address: String
  private let command: Command

  init(_ script: String, _ arguments: [String]) throws {
    let command = try Command(
      [Self.python, "-B", "\(Setup.root)/Tests/StorageTests/Servers/\(script)"] + arguments)
    self.command = command
    func line() -> Substring? { command.output.split(separator: "\n").first { $0.hasPrefix("ADDRESS ") } }
    // A cold start on a busy machine takes seconds.
    guard holds(limit: .seconds(90), { command.status != nil || line() != nil }), let line = line() else {
      throw Host.NotReady(description: "\(script) isn't ready: \(command.output)\(command.errors)")
    }
    address = String(line.dropFirst("ADDRESS ".count))
  }

  /// A bucket "models" of S3.
  static func s3() throws -> ObjectServer { try ObjectServer("s3.py", [keyID, secret, "eu-north-1", "models"]) }

  /// The bucket, or what lies below it, as operators write it.
  func source(_ path: String = "") -> String { "s3://models\(path)?region=eu-north-1&endpoint=\(address)" }

  /// What a host knows that may use the bucket.
  static let credentials = [
    "AWS_ACCESS_KEY_ID": keyID, "AWS_SECRET_ACCESS_KEY": secret, "AWS_EC2_METADATA_DISABLED": "true",
  ]

  /// - Parameters:
  ///   - location: As `StorageLocation` reads it.
  ///   - environment: For credentials.
  static func put(_ file: String, at key: String, _ location: String, _ environment: [String: String]) throws {
    let descriptor = open(file, O_RDONLY)
    defer { close(descriptor) }
    let slice = try FileSlice(descriptor: descriptor)
    try StorageLocation(location).open(environment: environment)
      .put(slice, at: ObjectKey(key), digest: slice.sha256(StorageCall()), StorageCall())
  }

  func put(_ file: String, at key: String) throws { try Self.put(file, at: key, source(), Self.credentials) }

  func delete(_ key: String) throws {
    try StorageLocation(source()).open(environment: Self.credentials).delete(ObjectKey(key), StorageCall())
  }

  /// The next GETs of `path`, a regular expression, meet a fault: `{"kind": …}` and what Servers/front.py takes beside.
  func meet(_ kind: String, _ path: String = "", count: Int = 1, method: String = "GET", _ more: JSONValue.Member...)
    throws
  {
    let fault: [JSONValue.Member] = [
      .init("kind", .string(kind)), .init("method", .string(method)), .init("path", .string(path)),
      .init("count", .integer(count)),
    ]
    try control("PUT", "_faults", JSONValue.array([.object(fault + more)]).text)
  }

  /// What was asked so far: method, target and whether it was refused.
  func requests() throws -> [(method: String, target: String, range: String?)] {
    (try JSONValue(parsing: try control("GET", "_requests", "")).array ?? []).map { row in
      let headers = row["headers"]?.members ?? []
      return (
        row["method"]?.string ?? "", row["target"]?.string ?? "",
        headers.first { $0.key.lowercased() == "range" }?.value.string
      )
    }
  }

  @discardableResult
  private func control(_ method: String, _ path: String, _ body: String) throws -> String {
    let result = try Command.run(
      ["curl", "--silent", "--fail", "--noproxy", "*", "-X", method, "--data-binary", "@-", "\(address)/\(path)"],
      input: Array(body.utf8))
    guard result.status == 0 else {
      throw Host.NotReady(description: "\(address)/\(path): curl ends with \(result.status)")
    }
    return result.output
  }
}

extension Setup {
  static let hasStorage =
    hasOnnxRuntime
    && (ProcessInfo.processInfo.environment["STADION_REQUIRE_ENGINES"] == "1" || isThere(ObjectServer.python))
  static let needsStorage = "requires: onnxruntime, moto and the providers' SDKs (make test-setup)"
}
