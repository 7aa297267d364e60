import Inference
import Storage
import Testing

@Suite struct `A place for uploads` {
  private func place(_ text: String, _ sources: String...) throws -> UploadPlace {
    try UploadPlace(text, apartFrom: "/data", StorageSources(sources), environment: [:])
  }

  @Test(arguments: [
    ("s3://bucket", "s3://bucket/"), ("s3://bucket//a/b/?region=x", "s3://bucket/a/b/"),
    ("gs://bucket/a", "gs://bucket/a/"),
    ("az://account/container", "azure://account/container/"), ("file:///a//b/", "file:///a/b/"),
  ]) func `has one name for each of its content`(text: String, prefix: String) throws {
    let digest = try #require(SHA256Digest("abcdef" + String(repeating: "0", count: 58)))
    #expect(try place(text).uri(of: digest) == "\(prefix)sha256/ab/cdef\(String(repeating: "0", count: 58))")
  }

  @Test(arguments: ["s3://bucket", "s3://bucket/a", "s3://bucket/a/b", "s3://bucket/a?endpoint=http://other"])
  func `is apart from sources`(source: String) throws {
    let error = #expect(throws: HostError.self) { try place("s3://bucket/a?region=x", source) }
    #expect(error?.code == .invalidRequest && error?.message.contains("overlaps") == true, "\(error?.message ?? "")")
    #expect(throws: Never.self) { try place("s3://bucket/ab", "s3://bucket/a", "gs://bucket/ab", "file:///ab") }
  }

  @Test(arguments: ["file:///data/x", "file:///data", "file:///"])
  func `is apart from the host's own folder`(text: String) throws {
    #expect(throws: HostError.self) { try place(text) }
    #expect(throws: Never.self) { try place("file:///data2") }
  }

  @Test(arguments: [
    "", "relative", "file://relative", "ftp://x", "s3://b", "s3://bucket?tenants=a", "file:///a/../data",
    "azure://account",
  ]) func `that can't be one is refused`(text: String) {
    let error = #expect(throws: HostError.self) { try place(text) }
    #expect(error?.message.hasPrefix("storage.uploads \(text): ") == true, "\(error?.message ?? "")")
  }
}
