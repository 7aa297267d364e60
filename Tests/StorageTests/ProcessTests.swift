import BlockingTests
import Foundation
import Inference
import Storage
import Testing

@Suite(.blocking) struct `A process that stores` {
  let temporary = TemporaryFolder()

  /// A file of so many megabytes, none like another.
  private func largeFile(megabytes: Int) throws -> OpenFile {
    let path = "\(temporary.path)/large"
    let file = open(path, O_WRONLY | O_CREAT, 0o600)
    defer { close(file) }
    var block = noise(1 << 20)
    for number in 0..<megabytes {
      withUnsafeBytes(of: number) { block.replaceSubrange(0..<8, with: $0) }
      #expect(write(file, block, block.count) == block.count)
    }
    return try OpenFile(path)
  }

  @Test func `leaves whole objects or none when it is killed`() throws {
    let file = try largeFile(megabytes: 64)
    let root = "\(temporary.path)/store"
    let digest = try file.slice.sha256(StorageCall())
    let target = "store/\(ObjectKey(content: digest))"
    var partialCount = 0
    // Until it has been killed while it wrote often enough.
    for _ in 0..<40 where partialCount < 5 {
      let probe = try Probe("put", root, file.path)
      #expect(holds { temporary.files.contains { $0.key.hasPrefix("store/") && $0.value > 1 << 20 } })
      probe.kill()
      let left = temporary.files.filter { $0.key.hasPrefix("store/") }
      if left[target] != nil { #expect(left[target] == 64 << 20) } else { partialCount += 1 }
      let store = try LocalFolder(root)
      // What was left half written is gone with the next start.
      #expect(Set(temporary.files.keys.filter { $0.hasPrefix("store/") }).isSubset(of: [target]))
      try store.delete(ObjectKey(content: digest), StorageCall())
    }
    #expect(partialCount > 0)
    #expect(try Probe("put", root, file.path).output().first == digest.text)
  }

  @Test(.enabled(if: Server.isThere, Server.needs)) func `takes little memory for large objects`() throws {
    let bucket = try S3Bucket()
    let file = try largeFile(megabytes: 200)
    let digest = try file.slice.sha256(StorageCall())
    let location = "s3://models/some/prefix?region=eu-north-1&endpoint=\(bucket.server.address)"
    let environment = ["AWS_ACCESS_KEY_ID": S3Bucket.keyID, "AWS_SECRET_ACCESS_KEY": S3Bucket.secret]
    let put = try Probe("put", location, file.path, environment: environment).output()
    #expect(put.first == digest.text)
    let got = try Probe("get", location, digest.text, "\(temporary.path)/cache", environment: environment).output()
    #expect(try OpenFile(#require(got.first)).slice.sha256(StorageCall()) == digest)
    for peak in [put, got] { #expect(try #require(Int(peak.last ?? "")) < 64 << 20) }
  }
}
