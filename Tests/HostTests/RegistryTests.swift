import BlockingTests
import Foundation
import Inference
import StadionClient
import Testing
import Wire

/// Uploads, versions, and where they stand, of a real host with a data folder.
@Suite(.blocking, .enabled(if: Setup.hasOnnxRuntime, Comment(rawValue: Setup.needsOnnxRuntime)))
struct `The registry` {
  private static func host(_ folder: TemporaryFolder = TemporaryFolder(), _ arguments: String...) throws -> Host {
    try Host(["--data", "\(folder.path)/data"] + arguments, folder: folder)
  }

  private func push(_ host: Host, _ name: String, _ model: String = "identity") throws -> Command.Result {
    try host.stadion("model", "push", Setup.onnx(model), name)
  }

  private func served(_ host: Host, _ model: String, _ version: String?) throws -> String? {
    let path = version.map { "/v2/models/\(model)/versions/\($0)" } ?? "/v2/models/\(model)"
    let body =
      #"{"inputs":[{"name":"INPUT0","datatype":"FP32","shape":[1,16],"data":[\#(Array(repeating: "1", count: 16).joined(separator: ","))]}]}"#
    return try host.json("POST", path + "/infer", body)["model_version"]?.string
  }

  // MARK: Uploads

  @Test func `an upload goes on where it broke off, also after the host was killed`() throws {
    let folder = TemporaryFolder()
    var host: Host? = try Self.host(folder)
    let model = [UInt8](try Data(contentsOf: URL(fileURLWithPath: Setup.onnx("identity"))))
    let id = try #require(host?.json("POST", "/v1/uploads", "{\"bytes\":\(model.count)}")["id"]?.string)
    let half = String(decoding: model.prefix(50), as: UTF8.self)
    #expect(half.utf8.count > 0)
    let first = try host?.client.connection.send("PUT", "/v1/uploads/\(id)?offset=0", body: Array(model.prefix(50)))
    #expect(first?.status == 200)
    host?.command.send(SIGKILL)
    _ = try host?.command.wait()
    host = try Self.host(folder)
    let again = try #require(host)
    #expect(try again.send("HEAD", "/v1/uploads/\(id)").header("upload-offset") == "50")
    let wrong = try again.client.connection.send("PUT", "/v1/uploads/\(id)?offset=40", body: Array(model.dropFirst(40)))
    #expect(wrong.status == 409)
    #expect(try JSONValue(parsing: wrong.body)["details"]?["offset"] == 50)
    let rest = try again.client.connection.send("PUT", "/v1/uploads/\(id)?offset=50", body: Array(model.dropFirst(50)))
    #expect(rest.status == 200)
    let files = "{\"files\":[{\"path\":\"model.onnx\",\"upload\":\"\(id)\"}]}"
    #expect(try again.json("POST", "/v1/models/m/versions", files)["version"] == "1")
    #expect(try served(again, "m", nil) == "1")
  }

  @Test func `bytes that aren't those announced are refused, and forgotten`() throws {
    let host = try Self.host()
    let digest = String(repeating: "0", count: 64)
    let id = try #require(host.json("POST", "/v1/uploads", "{\"bytes\":3,\"sha256\":\"\(digest)\"}")["id"]?.string)
    #expect(try host.send("PUT", "/v1/uploads/\(id)?offset=0", "abcd").status == 413)
    let answer = try host.send("PUT", "/v1/uploads/\(id)?offset=0", "abc")
    #expect(answer.status == 400)
    #expect(try host.send("HEAD", "/v1/uploads/\(id)").status == 404)
    #expect(try FileManager.default.contentsOfDirectory(atPath: "\(host.folder.path)/data/uploads") == [])
  }

  @Test func `a host without a data folder says how to get one`() throws {
    let host = try Host()
    let answer = try host.send("POST", "/v1/uploads", "{}")
    #expect(answer.status == 501)
    #expect(String(decoding: answer.body, as: UTF8.self).contains("--data"))
  }

  // MARK: Versions

  @Test func `what no runner can load is not registered`() throws {
    let host = try Self.host()
    let broken = try host.folder.write(
      "broken.onnx", try Data(contentsOf: URL(fileURLWithPath: Setup.onnx("identity"))).prefix(100))
    let result = try host.stadion("model", "push", broken, "m:1")
    #expect(result.status == 1)
    #expect(result.errors.contains("is not registered") && result.errors.contains("onnxruntime"), "\(result.errors)")
    #expect(try host.json("GET", "/v1/versions")["versions"] == [])
    #expect(try FileManager.default.contentsOfDirectory(atPath: "\(host.folder.path)/data/models") == ["default"])
    #expect(try FileManager.default.contentsOfDirectory(atPath: "\(host.folder.path)/data/models/default") == [])
    let content = FileManager.default.enumerator(atPath: "\(host.folder.path)/data/content/sha256")
    #expect((content?.allObjects as? [String])?.allSatisfy { $0.utf8.count == 2 } ?? true)
    // The name is free.
    #expect(try push(host, "m:1").status == 0)
    #expect(try push(host, "m:1").errors.contains("versions don't change"))
  }

  @Test func `requests name versions by number, label, stage and alias`() throws {
    let host = try Self.host()
    for version in ["1", "10", "9", "2.0-rc1"] { #expect(try push(host, "m:\(version)").status == 0) }
    #expect(try served(host, "m", nil) == "10")
    #expect(try host.stadion("model", "promote", "m:9").status == 0)
    #expect(try host.stadion("model", "promote", "m:2.0-rc1", "--stage", "staging").status == 0)
    #expect(try host.stadion("model", "alias", "m:1", "champion").status == 0)
    let answers = try [nil, "production", "staging", "latest", "champion", "10", "2.0-rc1", "absent"].map {
      try served(host, "m", $0)
    }
    #expect(answers == ["9", "9", "2.0-rc1", "10", "1", "10", "2.0-rc1", nil])
  }

  @Test func `a rollback brings back what stood there, and history tells`() throws {
    let host = try Self.host()
    for version in ["1", "2"] {
      #expect(try push(host, "m:\(version)").status == 0)
      #expect(try host.stadion("model", "promote", "m:\(version)").status == 0)
    }
    let before = try #require(host.json("GET", "/v1/models/m/history")["history"]?.array?.first?["timeMs"]?.int)
    #expect(try host.stadion("model", "rollback", "m").output == "m:1 is in production, in place of 2\n")
    #expect(try served(host, "m", nil) == "1")
    #expect(try host.stadion("model", "rollback", "m").errors.contains("nothing to go back to"))
    let then = try host.json("GET", "/v1/models/m/history?place=production&atMs=\(before)")["history"]?.array ?? []
    #expect(then.map { $0["version"]?.string } == ["2"])
  }

  @Test func `history tells what stood at a place at a time, also that nothing did`() throws {
    let host = try Self.host()
    func placed(_ stage: String) throws -> String? {
      let atMs = Int(Date().timeIntervalSince1970 * 1000)
      let events = try host.json("GET", "/v1/models/m/history?place=\(stage)&atMs=\(atMs)")["history"]?.array
      // As exactly as times are told: what follows must come later.
      _ = holds { Int(Date().timeIntervalSince1970 * 1000) > atMs }
      return events?.first?["version"]?.string
    }
    for version in ["1", "2"] { #expect(try push(host, "m:\(version)").status == 0) }
    #expect(try placed("staging") == nil)
    #expect(try host.stadion("model", "promote", "m:1", "--stage", "staging").status == 0)
    #expect(try placed("staging") == "1")
    #expect(try host.stadion("model", "promote", "m:1").status == 0)
    #expect(try [placed("staging"), placed("production")] == [nil, "1"])
    #expect(try host.stadion("model", "promote", "m:1", "--stage", "staging").status == 0)
    #expect(try [placed("staging"), placed("production")] == ["1", nil])
    #expect(try served(host, "m", "production") == nil)
    let left = try host.json("GET", "/v1/models/m/history?place=production")["history"]?.array?.first
    #expect(left?["action"] == "leave" && left?["replaced"] == "1" && left?["caller"]?.string?.isEmpty == false)
    #expect(try host.stadion("model", "history", "m", "--place", "production", "--at", "2020-01-01").status == 0)
    let shown = try host.stadion("model", "history", "m", "--at", "2999-12-31T00:00:00Z").output
    #expect(shown.contains("staging") && shown.split(separator: "\n").count == 2, "\(shown)")
    #expect(try host.stadion("model", "history", "m", "--at", "soon").status == 2)
    // Page by page.
    var actions: [String] = []
    var cursor = ""
    repeat {
      let page = try host.json("GET", "/v1/models/m/history?limit=2\(cursor)")
      actions += page["history"]?.array?.compactMap { $0["action"]?.string } ?? []
      cursor = page["next"]?.string.map { "&cursor=\($0)" } ?? ""
    } while !cursor.isEmpty
    #expect(actions == ["promote", "leave", "promote", "leave", "promote", "register", "register"])
  }

  @Test func `uploads are listed page by page`() throws {
    let host = try Self.host()
    let ids = try (0..<5).map { _ in try #require(host.json("POST", "/v1/uploads", "{}")["id"]?.string) }
    var found: [String] = []
    var cursor = ""
    repeat {
      let page = try host.json("GET", "/v1/uploads?limit=2\(cursor)")
      found += page["uploads"]?.array?.compactMap { $0["id"]?.string } ?? []
      cursor = page["next"]?.string.map { "&cursor=\($0)" } ?? ""
    } while !cursor.isEmpty
    #expect(found.count == 5 && Set(found) == Set(ids))
    #expect(try host.send("GET", "/v1/uploads?cursor=x").status == 400)
  }

  @Test func `archive takes out of use, restore brings back, purge deletes`() throws {
    let host = try Self.host()
    #expect(try push(host, "m:1").status == 0)
    #expect(try push(host, "m:2", "identity_image").status == 0)
    #expect(try host.stadion("model", "purge", "m:2").errors.contains("not archived"))
    #expect(try host.stadion("model", "archive", "m:2").status == 0)
    #expect(try served(host, "m", nil) == "1")
    #expect(try host.stadion("model", "promote", "m:2").errors.contains("restore it first"))
    #expect(try host.stadion("model", "restore", "m:2").status == 0)
    #expect(try host.send("GET", "/v2/models/m/versions/2").status == 200)
    #expect(try host.stadion("model", "archive", "m:2").status == 0)
    #expect(try host.stadion("model", "purge", "m:2").status == 0)
    #expect(try host.send("GET", "/v1/models/m/versions/2").status == 404)
    #expect(try host.stadion("model", "archive", "m:1").status == 0)
    #expect(try host.send("GET", "/v2/models/m").status == 404)
  }

  @Test func `what stands somewhere is neither archived nor purged, and goes on serving`() throws {
    let host = try Self.host()
    for version in ["1", "2", "3", "4"] { #expect(try push(host, "m:\(version)").status == 0) }
    #expect(try host.stadion("model", "alias", "m:1", "champion").status == 0)
    #expect(try host.stadion("model", "promote", "m:2", "--stage", "staging").status == 0)
    #expect(try host.stadion("model", "promote", "m:3").status == 0)
    for (version, word, reason) in [
      ("1", "champion", "move or remove that alias first"), ("2", "staging", "promote another version first"),
      ("3", "production", "promote another version first"),
    ] {
      for verb in ["archive", "purge"] {
        let refused = try host.stadion("model", verb, "m:\(version)")
        #expect(refused.status == 1 && refused.errors.contains(verb == "purge" ? "not archived" : reason))
      }
      #expect(try served(host, "m", word) == version)
    }
    // The latest is served because it is, and another is once it is gone.
    #expect(try served(host, "m", "latest") == "4")
    #expect(try host.stadion("model", "archive", "m:4").status == 0)
    #expect(try served(host, "m", "latest") == "3" && served(host, "m", "4") == nil)
    #expect(try host.stadion("model", "alias", "m:4", "champion").errors.contains("restore it first"))
    #expect(try served(host, "m", "champion") == "1")
    #expect(try host.stadion("model", "unalias", "m:champion").status == 0)
    #expect(try host.stadion("model", "archive", "m:1").status == 0)
    #expect(try host.stadion("model", "purge", "m:1").status == 0)
    #expect(try host.stadion("model", "restore", "m:1").errors.contains("has no version '1'"))
    #expect(try host.stadion("model", "restore", "m:4").status == 0)
    #expect(try served(host, "m", "latest") == "4" && served(host, "m", nil) == "3")
  }

  @Test(arguments: ["TFL3", "\0\0\0\0", "{\"a\": 1}", ""])
  func `a file of another kind is refused with the reason, and nothing of it stays`(start: String) throws {
    let host = try Self.host()
    let file = try host.folder.write("model.onnx", Array("\u{1C}\0\0\0\(start)".utf8))
    let result = try host.stadion("model", "push", file, "m:1")
    #expect(result.status == 1 && result.errors.contains("'m' is not registered"), "\(result.errors)")
    #expect(try host.json("GET", "/v1/registry")["models"] == [])
    #expect(try host.send("GET", "/v1/models/m/versions/1").status == 404)
    #expect(try host.json("GET", "/v1/uploads")["uploads"] == [])
    let files = FileManager.default.enumerator(atPath: "\(host.folder.path)/data/content/sha256")?.allObjects
    #expect((files as? [String] ?? []).allSatisfy { $0.utf8.count == 2 })
  }

  @Test func `pages follow each other`() throws {
    let host = try Self.host()
    for version in 1...5 { #expect(try push(host, "m:\(version)").status == 0) }
    var labels: [String] = []
    var cursor = ""
    repeat {
      let page = try host.json("GET", "/v1/models/m/versions?limit=2\(cursor)")
      labels += page["versions"]?.array?.compactMap { $0["version"]?.string } ?? []
      cursor = page["next"]?.string.map { "&cursor=\($0)" } ?? ""
    } while !cursor.isEmpty
    #expect(labels == ["5", "4", "3", "2", "1"])
    #expect(try host.json("GET", "/v1/versions?stage=production")["versions"] == [])
    #expect(try host.send("GET", "/v1/versions?sort=up").status == 400)
  }
}
