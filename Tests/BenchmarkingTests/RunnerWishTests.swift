import Testing
import Wire

@testable import Benchmarking

@Suite struct `Manifests for the benchmark's hosts` {
  @Test func `have other options, and paths that hold elsewhere`() throws {
    let manifest: JSONValue = [
      "id": "a.b", "library": ["path": "../lib/x.so"], "options": ["library": "@manifest/e.so", "threads": "1"],
      "access": ["read": ["@manifest/data", "/data"]],
    ]
    let patched = PatchedManifest.make(
      manifest, from: "/opt/m", options: [("threads", "2"), ("more", "x")], model: "/models/m")
    #expect(patched["library"] == ["path": "/opt/m/../lib/x.so"])
    #expect(patched["options"] == ["library": "/opt/m/e.so", "more": "x", "threads": "2"])
    #expect(patched["access"] == ["read": ["/opt/m/data", "/data", "/models/m"]])
  }

  @Test func `are asked for by id, last word or file`() throws {
    let wish = try #require(RunnerWish("echo,delay_ns=5,x=a=b"))
    #expect(wish.runner == "echo" && wish.options.map(\.key) == ["delay_ns", "x"] && wish.options[1].value == "a=b")
    #expect(wish.names("org.stadion.echo") && !wish.names("org.stadion.echo2"))
    #expect(RunnerWish("a/b.runner.json")?.isFile == true)
    #expect(RunnerWish("") == nil && RunnerWish("echo,delay") == nil && RunnerWish("echo,=5") == nil)
  }

  @Test func `are made for each value of an option`() throws {
    let wish = try #require(RunnerWish("echo,x=1"))
    #expect(wish.swept("delay_ns=5,6")?.map(\.text) == ["echo,x=1,delay_ns=5", "echo,x=1,delay_ns=6"])
    #expect(wish.swept("delay_ns=5,6")?[1].options.map(\.value) == ["1", "6"])
    for text in ["x=1,2", "delay_ns", "=1", "delay_ns=", "delay_ns=1,,2", "delay_ns=1,y=2", "a,b=1"] {
      #expect(wish.swept(text) == nil, "\(text)")
    }
  }
}
