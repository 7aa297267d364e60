import BlockingTests
import Foundation
import StadionClient
import Testing
import Wire

@Suite(.blocking) struct `Tracing` {
  private static let traceID = "0af7651916cd43dd8448eb211c80319c"
  private static let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

  @Test func `tells a collector the stages of a request whose sender traces it`() throws {
    let collector = Collector()
    defer { collector.stop() }
    let host = try hostWithEcho("--trace-endpoint", collector.url, "--trace-sample", "0")
    let before = UInt64(Date().timeIntervalSince1970 * 1e9)
    let answer = try host.sendNumbers(headers: [("traceparent", Self.parent), ("tracestate", "vendor=1,other=2")])
    #expect(answer.status == 200 && answer.header("tracestate") == "vendor=1,other=2")
    let own = try #require(answer.header("traceparent"))
    #expect(own.hasPrefix("00-\(Self.traceID)-") && own.hasSuffix("-01") && own != Self.parent)
    #expect(holds { collector.spans.count >= 7 }, "\(collector.batches)")

    let batch = try #require(collector.batches.first)
    #expect(batch.path == "/v1/traces" && batch.contentType == "application/json")
    let resource = batch.body["resourceSpans"]?.array?.first?["resource"]?["attributes"]?.array ?? []
    #expect(resource.contains { $0["key"] == "service.name" && $0["value"]?["stringValue"] == "stadion" })

    let spans = collector.spans
    let root = try #require(spans.first)
    #expect(root["name"] == "infer echo" && root["kind"]?.int == 2)
    #expect(root["parentSpanId"] == "b7ad6b7169203331" && root["traceState"] == "vendor=1,other=2")
    #expect(own.contains(root["spanId"]?.string ?? "-"))
    let attributes = root["attributes"]?.array ?? []
    #expect(attributes.contains { $0["key"] == "stadion.runner" && $0["value"]?["stringValue"] == "org.stadion.echo" })
    #expect(attributes.contains { $0["value"]?["intValue"] == "200" })
    let names = spans.dropFirst().map { $0["name"]?.string ?? "" }
    #expect(names == ["receive", "compute_input", "queue", "run", "compute_output", "write"])
    var last = try nanos(root, "startTimeUnixNano")
    #expect(last >= before - 1_000_000_000)
    for span in spans {
      // The names and forms that OTLP's JSON has for a Span, and nothing else.
      let known: Set = [
        "traceId", "spanId", "parentSpanId", "traceState", "name", "kind", "startTimeUnixNano", "endTimeUnixNano",
        "attributes", "status",
      ]
      #expect(Set((span.members ?? []).map(\.key)).subtracting(known).isEmpty)
      #expect(span["traceId"] == .string(Self.traceID) && span["spanId"]?.string?.utf8.count == 16)
    }
    // One stage follows the other, from the first to the last nanosecond of the whole.
    for span in spans.dropFirst() {
      #expect(span["parentSpanId"] == root["spanId"])
      #expect(try nanos(span, "startTimeUnixNano") == last)
      last = try nanos(span, "endTimeUnixNano")
    }
    #expect(try nanos(root, "endTimeUnixNano") == last)
    #expect(try holds { try host.metric("stadion_traces_exported_total") == 1 })
  }

  private func nanos(_ span: JSONValue, _ key: String) throws -> UInt64 {
    try #require(span[key]?.string.flatMap { UInt64($0) })
  }

  @Test func `leaves out what the sender doesn't trace, and hands the trace on`() throws {
    let collector = Collector()
    defer { collector.stop() }
    let host = try hostWithEcho("--trace-endpoint", collector.url, "--trace-sample", "1")
    let unsampled = "00-\(Self.traceID)-b7ad6b7169203331-00"
    let answer = try host.sendNumbers(headers: [("traceparent", unsampled)])
    #expect(answer.header("traceparent")?.hasPrefix("00-\(Self.traceID)-") == true)
    #expect(answer.header("traceparent")?.hasSuffix("-00") == true)
    // Without a parent each is sampled here, and a broken one counts as none.
    for parent in ["00-\(Self.traceID)-0000000000000000-01", "ff-\(Self.traceID)-b7ad6b7169203331-01", "x"] {
      let own = try host.sendNumbers(headers: [("traceparent", parent)]).header("traceparent") ?? ""
      #expect(own.hasSuffix("-01") && !own.contains(Self.traceID), "\(own)")
    }
    #expect(holds { collector.spans.count == 21 })
    #expect(collector.spans.allSatisfy { $0["traceId"]?.string != Self.traceID })
  }

  @Test func `says why a request failed`() throws {
    let collector = Collector()
    defer { collector.stop() }
    let host = try hostWithEcho("--trace-endpoint", collector.url)
    let answer = try host.sendNumbers("bad", headers: [("traceparent", Self.parent)])
    #expect(answer.status == 502 && answer.header("traceparent")?.hasPrefix("00-\(Self.traceID)-") == true)
    #expect(holds { !collector.spans.isEmpty })
    let span = try #require(collector.spans.first)
    #expect(span["status"]?["code"]?.int == 2)
    #expect(span["status"]?["message"]?.string?.contains("no luck") == true)
    #expect(span["attributes"]?.text.contains(#""intValue":"502""#) == true)
  }

  @Test func `drops and counts what can't be sent, and requests go on`() throws {
    let collector = Collector(status: "503 Service Unavailable")
    defer { collector.stop() }
    let host = try hostWithEcho("--trace-endpoint", collector.url, "--trace-sample", "1")
    #expect(try host.sendNumbers().status == 200)
    let lost = #"stadion_traces_dropped_total{reason="not_sent"}"#
    #expect(try holds { try host.metric(lost) == 1 })
    #expect(try holds { try host.log("can't send traces").first?["reason"] == "the collector answered 503" })
    #expect(try host.sendNumbers().status == 200)
  }

  @Test func `drops and counts what finds no room`() throws {
    let collector = Collector(answers: false)
    defer { collector.stop() }
    let host = try hostWithEcho("--trace-endpoint", collector.url, "--trace-sample", "1")
    // 4,096 wait at most while the collector is silent; it may have been sent two batches of 512 till then.
    for _ in 0..<5200 { #expect(try host.sendNumbers().status == 200) }
    #expect(try host.metric(#"stadion_traces_dropped_total{reason="queue_full"}"#) ?? 0 > 0)
  }

  @Test func `ends in time though the collector never answers`() throws {
    let collector = Collector(answers: false)
    defer { collector.stop() }
    let host = try hostWithEcho("--trace-endpoint", collector.url, "--trace-sample", "1")
    for _ in 0..<10 { #expect(try host.sendNumbers().status == 200) }
    host.command.send(SIGTERM)
    #expect(try host.command.wait(limit: .seconds(10)).status == 0)
  }

  @Test func `changes by request, for one model or for all`() throws {
    let collector = Collector()
    defer { collector.stop() }
    let host = try hostWithEcho("--trace-endpoint", collector.url)
    #expect(
      try host.json("GET", "/v2/trace/setting").text
        == #"{"trace_level":["TIMESTAMPS"],"trace_rate":"100","trace_count":"-1","log_frequency":"0","trace_file":"","#
        + #""trace_mode":"opentelemetry"}"#)
    let own = "/v2/models/echo/trace/setting"
    #expect(try host.json("POST", own, #"{"trace_rate":"1","trace_count":"2","unknown":1}"#)["trace_rate"] == "1")
    for _ in 0..<4 { try host.sendNumbers() }
    #expect(try host.json("GET", own)["trace_count"] == "0")
    #expect(holds { collector.spans.count == 14 })
    #expect(try host.json("POST", own, #"{"trace_rate":null,"trace_count":null}"#)["trace_rate"] == "100")
    #expect(try host.json("POST", "/v2/trace/setting", #"{"trace_level":["OFF"]}"#)["trace_level"] == ["OFF"])
    #expect(try host.sendNumbers(headers: [("traceparent", Self.parent)]).header("traceparent") == nil)

    for (body, word) in [
      (#"{"trace_rate":5}"#, "string"), (#"{"trace_level":["OFF","TIMESTAMPS"]}"#, "OFF alone"),
      (#"{"trace_level":["TENSORS"]}"#, "not traced"), (#"{"trace_count":"many"}"#, "integer"), ("", "object"),
    ] {
      let answer = try host.send("POST", "/v2/trace/setting", body)
      #expect(answer.status == 400 && String(decoding: answer.body, as: UTF8.self).contains(word), "\(body)")
    }
    #expect(try host.send("POST", "/v2/trace/setting", #"{"trace_file":"/tmp/x"}"#).status == 501)
    #expect(try host.send("GET", "/v2/models/nobody/trace/setting").status == 404)
  }

  @Test func `can't be turned on without a collector`() throws {
    let host = try hostWithEcho()
    #expect(try host.json("GET", "/v2/trace/setting")["trace_level"] == ["OFF"])
    #expect(try host.send("POST", "/v2/trace/setting", #"{"trace_level":["TIMESTAMPS"]}"#).status == 409)
  }
}

@Suite(.blocking) struct `The log` {
  @Test func `names slow requests with the times of their stages`() throws {
    let host = try Host(["--slow-request-ms", "50"], manifests: "\(Setup.manifests)/echo.runner.json") {
      try $0.addEcho("slow", "x:f32[-1]", options: ["outputs": "y:f32[-1]", "sleep_ms": "80"])
      try $0.addEcho("echo", "x:f32[-1]", options: ["outputs": "y:f32[-1]"])
    }
    try host.sendNumbers("slow")
    #expect(try holds { try host.log("a slow request").contains { $0["model"] == "slow" } })
    let line = try #require(try host.log("a slow request").first { $0["model"] == "slow" })
    func ms(_ key: String) -> Double { line[key]?.string.flatMap { Double($0) } ?? -1 }
    #expect(ms("run_ms") >= 80 && ms("total_ms") >= ms("run_ms") && ms("receive_ms") >= 0 && ms("write_ms") >= 0)
    #expect(line["runner"] == "org.stadion.echo" && line["status"] == "200")
    #expect(line["requestId"]?.string?.isEmpty == false)
  }

  @Test func `and refusals name request, trace and deadline`() throws {
    let host = try Host(["--log-level", "debug"], manifests: "\(Setup.manifests)/echo.runner.json") {
      try $0.addEcho("slow", "x:f32[-1]", options: ["outputs": "y:f32[-1]", "sleep_ms": "20000"])
    }
    let trace = "0af7651916cd43dd8448eb211c80319c"
    let headers = [("X-Request-Id", "late"), ("traceparent", "00-\(trace)-b7ad6b7169203331-00")]
    let began = Date()
    let answer = try host.send(
      "POST", "/v2/models/slow/infer",
      #"{"parameters":{"timeout":100000},"inputs":[{"name":"x","datatype":"FP32","shape":[1],"data":[1]}]}"#,
      headers: headers)
    let json = try JSONValue(parsing: answer.body)
    #expect(answer.status == 504 && json["requestId"] == "late" && json["traceId"]?.string == trace, "\(json.text)")
    let deadline = try Date(
      #require(json["deadline"]?.string), strategy: .iso8601.year().month().day().time(includingFractionalSeconds: true)
    )
    #expect(abs(deadline.timeIntervalSince(began) - 0.1) < 0.1 + Date().timeIntervalSince(began))
    func lines(_ message: String, _ id: String) throws -> [JSONValue] {
      try host.log(message).filter { $0["requestId"]?.string == id }
    }
    #expect(try holds { try !lines("request", "late").isEmpty })
    let line = try #require(try lines("request", "late").first)
    #expect(line["traceId"]?.string == trace && line["deadline"]?.string?.isEmpty == false, "\(line.text)")
    // The next on the same connection has neither.
    let next = try host.send("GET", "/v2/models/none", headers: [("X-Request-Id", "next")])
    let keys = try JSONValue(parsing: next.body).members?.map(\.key)
    #expect(keys == ["error", "code", "requestId"])
    #expect(try holds { try !lines("request", "next").isEmpty })
    #expect(try lines("request", "next").allSatisfy { $0["traceId"] == nil && $0["deadline"] == nil })
  }

  @Test func `is set by request`() throws {
    let host = try hostWithEcho()
    let standard =
      #"{"log_file":"","log_info":true,"log_warning":true,"log_error":true,"log_verbose_level":0,"log_format":"ISO8601"}"#
    #expect(try host.json("GET", "/v2/logging").text == standard)
    #expect(try host.json("POST", "/v2/logging", #"{"log_verbose_level":2}"#)["log_verbose_level"]?.int == 1)
    #expect(try holds { try !host.log("request").isEmpty })
    // A wrong member leaves the others as they are; unknown ones and nulls say nothing.
    for body in [#"{"log_info":false,"log_error":1}"#, #"{"log_verbose_level":-1}"#, #"{"log_format":"default"}"#, ""] {
      #expect(try host.send("POST", "/v2/logging", body).status == 400, "\(body)")
    }
    #expect(try host.send("POST", "/v2/logging", #"{"log_file":"/tmp/x"}"#).status == 501)
    let changed = try host.json(
      "POST", "/v2/logging", #"{"log_verbose_level":0,"log_warning":false,"x":1,"log_info":null}"#)
    #expect(changed.text == standard.replacingOccurrences(of: #""log_warning":true"#, with: #""log_warning":false"#))
    try host.sendNumbers("bad")
    #expect(try host.log("a request failed").isEmpty)
  }
}
