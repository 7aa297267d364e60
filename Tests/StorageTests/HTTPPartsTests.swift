import Inference
import Testing

@testable import Storage

@Suite struct `Small notations` {
  @Test(arguments: [
    ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("foobar", "Zm9vYmFy"),
  ])
  func `base 64 is RFC 4648's`(text: String, encoded: String) {
    #expect(Base64.encode(text.utf8) == encoded)
    #expect(Base64.decode(encoded) == Array(text.utf8))
  }

  @Test(arguments: ["Zg", "Z===", "Zg=a", "Z\u{e9}==", "Zm9v!m9v"]) func `what isn't base 64 is nothing`(text: String) {
    #expect(Base64.decode(text) == nil)
  }

  @Test func `times are read and written in each notation`() throws {
    let time = try #require(CivilTime(http: "Sun, 06 Nov 1994 08:49:37 GMT"))
    #expect(time.seconds == 784_111_777)
    #expect(time.http == "Sun, 06 Nov 1994 08:49:37 GMT")
    #expect(time.basic == "19941106T084937Z")
    #expect(CivilTime(iso8601: "1994-11-06T08:49:37.25Z") == time)
    #expect(CivilTime(http: "yesterday") == nil)
    #expect(CivilTime(iso8601: "1994-11-06T08:49:37+01:00") == nil)
  }

  @Test func `XML keeps text and structure`() throws {
    let text = #"<?xml version="1.0"?><a:L x="1>"[0]><K>a&amp;b&#x20;&lt;&#233;</K><K/><P><Q>1</Q></P></a:L>"#
    let element = try #require(XMLElement(parsing: Array(text.replacing(#" x="1>"[0]"#, with: " x=\"1\"").utf8)))
    #expect(element.name == "L")
    #expect(element.children("K").map(\.text) == ["a&b <é", ""])
    #expect(element.child("P")?.text(of: "Q") == "1")
  }

  @Test(arguments: [
    "", "<a>", "<a></b>", "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "<a>&b;</a>", "<a>&#xD800;</a>", "text",
    String(repeating: "<a>", count: 40) + String(repeating: "</a>", count: 40),
  ])
  func `what isn't a provider's XML is nothing`(text: String) {
    #expect(XMLElement(parsing: Array(text.utf8)) == nil)
  }

  @Test func `addresses are encoded as they are signed`() throws {
    let address = try HTTPAddress("http://h:1/").at("/a b/ü+", [("b", "x/y"), ("a", "1 2")])
    #expect(address.text == "http://h:1/a%20b/%C3%BC%2B?a=1%202&b=x%2Fy")
  }

  @Test(arguments: [
    ("https://H:443/", "https://h/"), ("http://h:80", "http://h/"), ("https://h:80/", "https://h:80/"),
  ]) func `addresses leave out the port that Host leaves out`(text: String, plain: String) throws {
    #expect(try HTTPAddress(text).text == plain)
  }

  @Test(arguments: ["h", "ftp://h", "http://", "http://u@h", "http://h/?q", "http://h h"])
  func `what isn't an address is refused`(text: String) {
    #expect(code { _ = try HTTPAddress(text) } == .invalidRequest)
  }

  @Test func `secrets aren't shown`() {
    let credentials = AWSCredentials(keyID: "k", secret: Secret("hidden"))
    var shown = ""
    dump(credentials, to: &shown)
    #expect(!"\(credentials) \(String(reflecting: credentials)) \(shown)".contains("hidden"))
  }
}
