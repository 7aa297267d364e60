import BlockingTests
import Foundation
import Inference
import Testing

@testable import Storage

@Suite(.blocking) struct `Credentials for S3` {
  let temporary = TemporaryFolder()
  let call = StorageCall()

  private func credentials(_ environment: [String: String]) throws -> [String] {
    let found = try AWSCredentialsChain(environment: environment).value(call)
    return [found.keyID, found.secret.text] + (found.sessionToken.map { [$0] } ?? [])
  }

  private func file(_ text: String) throws -> String { try temporary.file("credentials", text.utf8).path }

  @Test func `come from the environment first`() throws {
    let path = try file("[default]\naws_access_key_id = f\naws_secret_access_key = s\n")
    let environment = ["AWS_SHARED_CREDENTIALS_FILE": path, "AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"]
    #expect(try credentials(environment) == ["k", "s"])
    #expect(try credentials(environment.merging(["AWS_SESSION_TOKEN": "t"]) { $1 }) == ["k", "s", "t"])
  }

  @Test func `come from the file's profile`() throws {
    let path = try file(
      """
      # a comment
      [default]
      aws_access_key_id=d
      aws_secret_access_key=x=y
      [other]
      aws_access_key_id = o
      aws_secret_access_key = s
      aws_session_token = t
      """)
    #expect(try credentials(["AWS_SHARED_CREDENTIALS_FILE": path]) == ["d", "x=y"])
    #expect(try credentials(["AWS_SHARED_CREDENTIALS_FILE": path, "AWS_PROFILE": "other"]) == ["o", "s", "t"])
    #expect(
      code { _ = try credentials(["AWS_SHARED_CREDENTIALS_FILE": path, "AWS_PROFILE": "none"]) } == .storageRefused)
  }

  @Test func `are looked for below the home folder`() throws {
    try FileManager.default.createDirectory(atPath: "\(temporary.path)/.aws", withIntermediateDirectories: true)
    _ = try temporary.file(".aws/credentials", "[default]\naws_access_key_id=h\naws_secret_access_key=s".utf8)
    #expect(try credentials(["HOME": temporary.path]) == ["h", "s"])
  }

  @Test func `missing everywhere are an error that says where to put them`() throws {
    let environment = ["HOME": temporary.path, "AWS_EC2_METADATA_DISABLED": "true"]
    #expect(code { _ = try credentials(environment) } == .storageRefused)
  }

  @Test(.enabled(if: Server.isThere, Server.needs))
  func `come from the machine and the container, and are kept`() throws {
    let server = try Server("metadata.py", ["k", "s"])
    let chain = AWSCredentialsChain(environment: ["AWS_EC2_METADATA_SERVICE_ENDPOINT": server.address])
    #expect(try chain.value(call).sessionToken == "session-token")
    #expect(try chain.value(call).keyID == "k")
    #expect(try server.requests().count == 3)
    #expect(chain.forget())
    _ = try chain.value(call)
    #expect(try server.requests().count == 6)

    let container = ["AWS_CONTAINER_CREDENTIALS_FULL_URI": "\(server.address)/container"]
    #expect(code { _ = try credentials(container) } == .storageRefused)
    let authorized = container.merging(["AWS_CONTAINER_AUTHORIZATION_TOKEN": "container-token"]) { $1 }
    #expect(try credentials(authorized) == ["k", "s", "session-token"])
  }

  @Test(.enabled(if: Server.isThere, Server.needs)) func `are fetched anew when they are refused`() throws {
    let bucket = try S3Bucket()
    let server = try Server("metadata.py", [S3Bucket.keyID, S3Bucket.secret, "expired"])
    let chain = AWSCredentialsChain(environment: ["AWS_EC2_METADATA_SERVICE_ENDPOINT": server.address])
    let store = try S3Store(bucket.settings(), chain)
    #expect(try store.keys() == [])
    #expect(
      try bucket.server.requests().map { $0.headers["x-amz-security-token"] } == ["expired", "session-token"])
  }

  @Test(.enabled(if: Server.isThere, Server.needs)) func `of the machine sign for S3`() throws {
    let bucket = try S3Bucket()
    let server = try Server("metadata.py", [S3Bucket.keyID, S3Bucket.secret])
    let chain = AWSCredentialsChain(environment: ["AWS_EC2_METADATA_SERVICE_ENDPOINT": server.address])
    let store = try S3Store(bucket.settings(), chain)
    try store.put(temporary.file("x", noise(10)), at: ObjectKey("k"))
    #expect(try bucket.server.requests().map { $0.headers["x-amz-security-token"] } == ["session-token"])
    #expect(try bucket.server.requests().allSatisfy { $0.refusal == nil })
  }
}
