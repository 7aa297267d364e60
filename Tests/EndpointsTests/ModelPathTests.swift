import Testing

@testable import Endpoints

/// What is told of a request by its first bytes, before it has been read.
struct `A model's name in the first line` {
  private func name(_ text: String) -> String? {
    var bytes = Array(text.utf8)
    return bytes.withUnsafeMutableBytes { input in
      ModelPath.name(inFirstLine: UnsafeRawBufferPointer(input)).map { String(decoding: $0, as: UTF8.self) }
    }
  }

  @Test func `is found where a run is asked for`() {
    #expect(name("POST /v2/models/echo/infer HTTP/1.1\r\n") == "echo")
    #expect(name("POST /v2/models/echo/versions/3/infer HTTP/1.1\r\n") == "echo")
    #expect(name("POST /v2/models/" + String(repeating: "n", count: 63) + "/") == String(repeating: "n", count: 63))
  }

  @Test(arguments: [
    "", "POST", "POST /v2/models/", "POST /v2/models/echo", "GET /v2/models/echo/ready HTTP/1.1\r\n",
    "POST /v2/repository/models/echo/load", "POST /v2/models/" + String(repeating: "n", count: 64) + "/infer",
  ]) func `is none where it may not have come`(text: String) {
    #expect(name(text) == nil)
  }
}
