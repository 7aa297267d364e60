import Testing

@testable import Storage

/// The examples of "Signature Calculations for the Authorization Header" in AWS's S3 API reference.
@Suite struct `AWS's signature` {
  private let credentials = AWSCredentials(
    keyID: "AKIAIOSFODNN7EXAMPLE", secret: Secret("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"))
  private let time = CivilTime(iso8601: "2013-05-24T00:00:00Z")!

  private func signature(_ request: HTTPRequest) throws -> String {
    var request = request
    try SigV4.sign(&request, with: credentials, region: "us-east-1", at: time)
    return String(request.headers.last!.value.suffix(64))
  }

  private func address(_ path: String, _ query: [(name: String, value: String)] = []) -> HTTPAddress {
    HTTPAddress(scheme: "https", host: "examplebucket.s3.amazonaws.com", path: path, query: query)
  }

  @Test func `of a range is the published one`() throws {
    let request = HTTPRequest("GET", address("/test.txt"), headers: [("range", "bytes=0-9")])
    #expect(try signature(request) == "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41")
  }

  @Test func `of a stored object is the published one`() throws {
    let request = HTTPRequest(
      "PUT", address("/test$file.text"),
      headers: [("date", "Fri, 24 May 2013 00:00:00 GMT"), ("x-amz-storage-class", "REDUCED_REDUNDANCY")],
      body: .bytes(Array("Welcome to Amazon S3.".utf8)), digest: try Hash.sha256("Welcome to Amazon S3.".utf8))
    #expect(try signature(request) == "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd")
  }

  @Test func `of a parameter without value is the published one`() throws {
    let request = HTTPRequest("GET", address("/", [("lifecycle", "")]))
    #expect(try signature(request) == "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543")
  }

  @Test func `of a list is the published one`() throws {
    let request = HTTPRequest("GET", address("/", [("prefix", "J"), ("max-keys", "2")]))
    #expect(try signature(request) == "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7")
  }
}
