import Testing

@testable import Wire

/// What reading one text gave.
struct ReadNumbers<T> {
  var values: [T]
  /// Byte the reader stands at; where the error is when there is one.
  var position: Int
  var error: JSONError?
}

/// Reads `text`, which starts at an array's first element, into memory that is one byte off every alignment.
func readNumbers<T>(
  _ text: String, _ format: NumberFormat, as type: T.Type = T.self, capacity: Int = 64
) -> ReadNumbers<T> {
  let stride = format.byteCount
  let guardByte: UInt8 = 0xA5
  let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: capacity * stride + 2, alignment: 64)
  defer { memory.deallocate() }
  memory.initializeMemory(as: UInt8.self, repeating: guardByte)
  let target = memory.baseAddress! + 1
  // Copied to memory of exactly its size, so that tools that watch memory see a read behind its end.
  let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: text.utf8.count, alignment: 1)
  defer { bytes.deallocate() }
  bytes.copyBytes(from: text.utf8)
  var reader = JSONReader(UnsafeRawBufferPointer(bytes))
  var result = ReadNumbers<T>(values: [], position: 0, error: nil)
  var count = 0
  do {
    count = try reader.numbers(format, into: target, capacity: capacity)
  } catch {
    result.error = error
  }
  result.position = reader.position
  if MemoryLayout<T>.size == stride {
    result.values = (0..<count).map { target.loadUnaligned(fromByteOffset: $0 * stride, as: T.self) }
  }
  #expect(memory[0] == guardByte && memory[capacity * stride + 1] == guardByte, "written outside of the memory")
  return result
}

/// Prints values that stand at an odd address.
func printNumbers<T>(_ values: [T], _ format: NumberFormat) -> String {
  let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: values.count * format.byteCount + 1, alignment: 64)
  defer { memory.deallocate() }
  values.withUnsafeBytes { UnsafeMutableRawBufferPointer(rebasing: memory[1...]).copyMemory(from: $0) }
  let out = ByteBuffer(capacity: 64)
  out.append(numbers: memory.baseAddress! + 1, count: values.count, as: format)
  return out.string
}

/// Prints the seed of random input, so that a failure can be run again.
func seeded(_ name: String) -> SplitMix {
  let seed = UInt64.random(in: 0...UInt64.max)
  print("\(name): seed \(seed)")
  return SplitMix(state: seed)
}

struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
