import BlockingTests
import Foundation
import StadionClient
import Testing
import Wire

/// A host with hundreds of models.
@Suite(.blocking) struct `Many models` {
  private static let count = 400
  private static let question = #"{"inputs":[{"name":"X","datatype":"FP32","shape":[1],"data":[7]}]}"#

  @Test func `need no threads of their own`() throws {
    let host = try Host { folder in
      for number in 0..<Self.count { try folder.addEcho("m\(number)", "X:f32[-1]") }
    }
    for number in 0..<Self.count {
      let answer = try host.send("POST", "/v2/models/m\(number)/infer", Self.question)
      #expect(answer.status == 200)
    }
    let threads = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(host.command.pid)/task").count
    #expect(threads < 50, "\(threads) threads after \(Self.count) models had a run each")
  }

  @Test func `come and go one by one among the others`() throws {
    let host = try Host { folder in
      for number in 0..<Self.count { try folder.addEcho("m\(number)", "X:f32[-1]") }
    }
    for number in stride(from: 0, to: Self.count, by: 3) {
      #expect(try host.send("POST", "/v2/repository/models/m\(number)/unload").status == 200)
    }
    for number in stride(from: 0, to: Self.count, by: 6) {
      #expect(try host.send("POST", "/v2/repository/models/m\(number)/load").status == 200)
    }
    for number in 0..<Self.count {
      let isServed = number % 3 != 0 || number % 6 == 0
      #expect(try host.send("GET", "/v2/models/m\(number)/ready").status == (isServed ? 200 : 404), "m\(number)")
    }
    var names: [String] = []
    var cursor = ""
    repeat {
      let page = try host.json("GET", "/v1/models?limit=150\(cursor)")
      names += page["models"]?.array?.compactMap { $0["name"]?.string } ?? []
      cursor = page["next"]?.string.map { "&cursor=\($0)" } ?? ""
    } while !cursor.isEmpty
    #expect(names == (0..<Self.count).map { "m\($0)" }.sorted())
    #expect(try host.json("GET", "/v1/models")["models"]?.array?.count == Self.count)
    #expect(try host.send("GET", "/v1/models?limit=0").status == 400)
  }
}
