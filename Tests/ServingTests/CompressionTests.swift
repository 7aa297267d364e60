import Foundation
import Inference
import Testing
import Wire

@testable import Serving

@Suite struct `Compressed bodies` {
  private func deflate(_ parts: [[UInt8]], _ coding: ContentCoding) -> [UInt8] { packed(parts, coding) }

  private func inflate(_ bytes: [UInt8], limit: Int = 1 << 20, at start: Int = 0) throws -> [UInt8] {
    let out = ByteBuffer()
    try bytes.withUnsafeBytes { try Compression.inflate($0, into: out, at: start, limit: limit) }
    return Array(out.bytes.dropFirst(start))
  }

  private func status(_ bytes: [UInt8], limit: Int = 1 << 20) -> Int {
    do {
      _ = try inflate(bytes, limit: limit)
      return 200
    } catch { return (error as? HostError)?.code.httpStatus ?? 0 }
  }

  private func noise(_ count: Int) -> [UInt8] {
    var generator = SystemRandomNumberGenerator()
    return (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
  }

  @Test(arguments: [ContentCoding.gzip, .deflate], [0, 1, 1000, 65536, 300_000])
  func `come back as they were`(coding: ContentCoding, count: Int) throws {
    let plain = noise(count)
    #expect(try inflate(deflate([plain], coding)) == plain)
    #expect(try inflate(deflate([plain], coding), at: 17) == plain)
    let zeros = [UInt8](repeating: 0, count: count)
    #expect(try inflate(deflate([zeros], coding)) == zeros)
  }

  @Test func `join their parts, empty ones too`() throws {
    #expect(try inflate(deflate([[1, 2], [], [3], []], .gzip)) == [1, 2, 3])
    #expect(try inflate(deflate([[], []], .deflate)) == [])
  }

  @Test(arguments: [ContentCoding.gzip, .deflate])
  func `are refused cut short at any place`(coding: ContentCoding) {
    let bytes = deflate([Array("a body that is long enough to be worth it, worth it".utf8)], coding)
    for count in 0..<bytes.count { #expect(status(Array(bytes.prefix(count))) == 400, "\(count) bytes") }
  }

  @Test(arguments: [ContentCoding.gzip, .deflate])
  func `are refused with any corrupt check sum`(coding: ContentCoding) {
    var bytes = deflate([noise(1000)], coding)
    bytes[bytes.count - 1] ^= 1
    if coding == .gzip {
      #expect(status(bytes) == 400)
      bytes[bytes.count - 1] ^= 1
      bytes[bytes.count - 6] ^= 1
    }
    #expect(status(bytes) == 400)
  }

  @Test func `are refused as garbage, raw deflate, and with bytes behind them`() {
    #expect(status([]) == 400)
    #expect(status(Array("plain text".utf8)) == 400)
    // A zlib stream without its header and check sum.
    let wrapped = deflate([Array("hello hello hello".utf8)], .deflate)
    #expect(status(Array(wrapped.dropFirst(2).dropLast(4))) == 400)
    #expect(status(wrapped + [0]) == 400)
    #expect(status(deflate([[1]], .gzip) + deflate([[2]], .gzip)) == 400)
  }

  @Test func `are refused when they grow beyond the limit`() {
    let bomb = deflate([[UInt8](repeating: 0, count: 10 << 20)], .gzip)
    #expect(bomb.count < 64 << 10)
    #expect(status(bomb) == 413)
    let exact = deflate([[UInt8](repeating: 7, count: 1 << 20)], .gzip)
    #expect(status(exact) == 200)
    #expect(status(exact, limit: (1 << 20) - 1) == 413)
  }
}

/// `parts` in one compressed stream.
func packed(_ parts: [[UInt8]], _ coding: ContentCoding) -> [UInt8] {
  let out = ByteBuffer()
  let joined = ByteBuffer()
  var ranges: [Range<Int>] = []
  for part in parts {
    let start = joined.count
    part.withUnsafeBytes { joined.append($0) }
    ranges.append(start..<joined.count)
  }
  precondition(
    Compression.deflate(ranges.map { UnsafeRawBufferPointer(rebasing: joined.bytes[$0]) }, coding: coding, into: out))
  return Array(out.bytes)
}
