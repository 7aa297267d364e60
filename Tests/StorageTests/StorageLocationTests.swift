import Inference
import Storage
import Testing

@Suite struct `A storage location` {
  let temporary = TemporaryFolder()

  private func description(_ text: String) throws -> String {
    try StorageLocation(text).open(environment: ["GCE_METADATA_HOST": "localhost:1"]).description
  }

  @Test func `names any of the back ends`() throws {
    #expect(try description("file://\(temporary.path)/s") == "folder \(temporary.path)/s")
    #expect(try description("\(temporary.path)/s") == "folder \(temporary.path)/s")
    #expect(try description("s3://bucket") == "s3 bucket bucket")
    #expect(
      try description("s3://bucket/a/b?endpoint=http://minio:9000") == "s3 bucket bucket at minio:9000 below a/b")
    #expect(
      try description("s3://bucket?endpoint=http://minio:9000&path-style=false")
        == "s3 bucket bucket at bucket.minio:9000")
    #expect(try description("gs://bucket/a") == "google bucket bucket at storage.googleapis.com below a")
    #expect(try description("azure://account/container/a") == "azure container account/container below a")
  }

  @Test(arguments: [
    "ftp://x", "s3://", "s3://b", "s3://bucket?secret=x", "s3://bucket?path-style=maybe", "s3://bucket/a/../b",
    "s3://bucket?endpoint=minio", "gs://bucket?region=x", "azure://account", "azure://ACCOUNT/container",
    "azure://account/con_tainer", "relative/path", "s3://bu%63ket",
  ])
  func `that can't be one is refused`(text: String) {
    #expect(code { _ = try description(text) } == .invalidRequest)
  }

  @Test func `keeps apart what lies below its prefix`() throws {
    let folder = try LocalFolder("\(temporary.path)/s")
    let below = PrefixedStore(folder, try ObjectKey("a/b"))
    try below.put(temporary.file("x", noise(10)), at: ObjectKey("k"))
    try folder.put(temporary.file("x", noise(10)), at: ObjectKey("a/bc"))
    #expect(try folder.keys() == ["a/b/k", "a/bc"])
    #expect(try below.keys() == ["k"])
    #expect(try below.bytes(of: ObjectKey("k")) == noise(10))
    #expect(below.localPath(of: try ObjectKey("k")) == "\(temporary.path)/s/a/b/k")
    try below.delete(ObjectKey("k"), StorageCall())
    #expect(try folder.keys() == ["a/bc"])
  }
}
