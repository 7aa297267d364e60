import Inference
import Wire

@testable import Serving

func gzip(_ bytes: [UInt8]) -> [UInt8] {
  let out = ByteBuffer()
  bytes.withUnsafeBytes { precondition(Compression.deflate([$0], coding: .gzip, into: out)) }
  return Array(out.bytes)
}

func gunzip(_ bytes: [UInt8]) -> [UInt8] {
  let out = ByteBuffer()
  bytes.withUnsafeBytes { source in
    do throws(HostError) { try Compression.inflate(source, into: out, at: 0, limit: 1 << 26) } catch {
      out.removeAll()
    }
  }
  return Array(out.bytes)
}
