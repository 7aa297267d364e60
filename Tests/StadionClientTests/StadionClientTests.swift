import Inference
import StadionClient
import Testing
import Wire

@Suite struct `Asking a host` {
  private func answer(_ status: String, _ body: String) -> [UInt8] {
    Array("HTTP/1.1 \(status)\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)".utf8)
  }

  private func client(_ server: ScriptedServer) -> StadionClient {
    StadionClient(.unix(path: server.path), timeout: .seconds(10))
  }

  @Test func `sends tensors in binary and reads binary outputs`() throws {
    let head =
      #"{"model_name":"m","model_version":"2","outputs":[{"name":"y","datatype":"FP32","shape":[1,2],"#
      + #""parameters":{"binary_data_size":8}},{"name":"s","datatype":"BYTES","shape":[1],"#
      + #""parameters":{"binary_data_size":6}}]}"#
    let y = DenseTensor(name: "y", elementType: .f32, shape: [1, 2], values: [Float(1.5), -2])
    let s = DenseTensor(name: "s", shape: [1], elements: [Array("hi".utf8)])
    let body = Array(head.utf8) + y.bytes + s.bytes
    let start =
      "HTTP/1.1 200 OK\r\nInference-Header-Content-Length: \(head.utf8.count)\r\nContent-Length: \(body.count)\r\n\r\n"
    let server = try ScriptedServer([Array(start.utf8) + body])
    let x = DenseTensor(name: "x", elementType: .i64, shape: [2], values: [Int64.min, Int64.max])
    let result = try client(server).infer(
      ModelID("a b:2"), inputs: [x], outputs: [RequestedOutput("y"), RequestedOutput("s", classification: 3)],
      parameters: [("device", "gpu")])
    #expect(result.outputs == [y, s])
    #expect(result.modelVersion == "2")

    let request = try #require(server.requests.first)
    let json =
      #"{"inputs":[{"name":"x","shape":[2],"datatype":"INT64","parameters":{"binary_data_size":16}}],"#
      + #""outputs":[{"name":"y","parameters":{"binary_data":true}},"#
      + #"{"name":"s","parameters":{"binary_data":true,"classification":3}}],"#
      + #""parameters":{"binary_data_output":true,"device":"gpu"}}"#
    #expect(request.starts(with: Array("POST /v2/models/a%20b/versions/2/infer HTTP/1.1\r\n".utf8)))
    #expect(Array(request.suffix(16)) == x.bytes)
    #expect(
      Array(request.dropLast(16)).ends(
        with:
          "Inference-Header-Content-Length: \(json.utf8.count)\r\nContent-Length: \(json.utf8.count + 16)\r\n\r\n\(json)"
      ))
  }

  @Test func `reads JSON outputs too`() throws {
    let server = try ScriptedServer([
      answer(
        "200 OK",
        #"{"model_name":"m","outputs":[{"name":"y","datatype":"UINT64","shape":[2,1],"data":[0,18446744073709551615]}]}"#
      )
    ])
    let output = try #require(try client(server).infer(ModelID("m"), inputs: []).outputs.first)
    #expect(output == DenseTensor(name: "y", elementType: .u64, shape: [2, 1], values: [0, UInt64.max]))
  }

  @Test func `throws the server's words`() throws {
    let server = try ScriptedServer([
      answer("404 Not Found", #"{"error":"Request for unknown model: 'm' is not found"}"#)
    ])
    let error = #expect(throws: HostError.self) { try client(server).metadata(ModelID("m")) }
    #expect(error?.code == .notFound)
    #expect(error?.message == "Request for unknown model: 'm' is not found")
  }

  @Test(arguments: [
    #"{"outputs":[{"name":"y","datatype":"FP32","shape":[2],"parameters":{"binary_data_size":8}}]}"#,
    #"{"outputs":[{"name":"y","datatype":"FP32","shape":[3],"data":[1,2]}]}"#,
    #"{"outputs":[{"name":"y","datatype":"FP99","shape":[1],"data":[1]}]}"#,
    #"{"outputs":[{"name":"y","datatype":"FP32","shape":[-1],"data":[1]}]}"#, "no JSON",
  ]) func `refuses outputs whose sizes disagree`(body: String) throws {
    let server = try ScriptedServer([answer("200 OK", body)])
    #expect(throws: HostError.self) { try client(server).infer(ModelID("m"), inputs: []) }
  }

  @Test func `reads a model's inputs and outputs`() throws {
    let server = try ScriptedServer([
      answer(
        "200 OK",
        #"{"name":"m","versions":["1"],"platform":"onnx","inputs":[{"name":"x","datatype":"BYTES","shape":[-1,3]}],"outputs":[]}"#
      )
    ])
    let metadata = try client(server).metadata(ModelID("m"))
    #expect(metadata.inputs == [TensorSpec(name: "x", elementType: .utf8, shape: [-1, 3])])
  }

  @Test func `loads and unloads by name`() throws {
    let server = try ScriptedServer([answer("200 OK", ""), answer("400 Bad Request", #"{"error":"failed to load"}"#)])
    let client = client(server)
    try client.load("m/n")
    #expect(throws: HostError.self) { try client.unload("m") }
    let lines = server.requests.map { String(decoding: $0.prefix { $0 != 13 }, as: UTF8.self) }
    #expect(
      lines == ["POST /v2/repository/models/m%2Fn/load HTTP/1.1", "POST /v2/repository/models/m/unload HTTP/1.1"])
  }
}
