import Inference
import Storage
import Testing

@Suite struct `An object's key` {
  @Test(arguments: [
    "", "/a", "a/", "a//b", "..", "a/../b", ".", "a.", "a\\b", "a\u{0}b", "a\nb", ".incoming", ".incoming/x",
    String(repeating: "x", count: 256), String(repeating: "xy/", count: 341) + "xy",
  ])
  func `can't leave its folder or mean two files`(text: String) {
    #expect(code { _ = try ObjectKey(text) } == .invalidRequest)
  }

  @Test(arguments: ["a", "a b/ü+~$&=@:,;%'()*!/.x", String(repeating: "x", count: 255)])
  func `may have any other character`(text: String) throws {
    #expect(try ObjectKey(text).text == text)
  }

  @Test func `of content gives its digest back`() throws {
    let digest = try #require(SHA256Digest(String(repeating: "0a", count: 32)))
    #expect(ObjectKey(content: digest).contentDigest == digest)
    #expect(try ObjectKey("sha256/0a/0A").contentDigest == nil)
  }
}
