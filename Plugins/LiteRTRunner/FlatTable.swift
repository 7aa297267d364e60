/// A table of a flatbuffer: how TFLite files are written. Reads nothing outside the file, whatever the file says.
struct FlatTable {
  private let bytes: UnsafeRawBufferPointer
  private let position: Int

  /// The root of the file.
  init?(_ bytes: UnsafeRawBufferPointer) {
    guard let table = Self.target(bytes, 0) else { return nil }
    self.init(bytes, table)
  }

  private init(_ bytes: UnsafeRawBufferPointer, _ position: Int) {
    self.bytes = bytes
    self.position = position
  }

  private static func read<Number: FixedWidthInteger & BitwiseCopyable>(
    _ bytes: UnsafeRawBufferPointer, _ offset: Int, _: Number.Type
  ) -> Int? {
    guard offset >= 0, offset <= bytes.count - MemoryLayout<Number>.size else { return nil }
    return Int(Number(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Number.self)))
  }

  /// Where the offset that stands at `place` leads to.
  private static func target(_ bytes: UnsafeRawBufferPointer, _ place: Int) -> Int? {
    read(bytes, place, UInt32.self).map { place + $0 }
  }

  /// Where the content of a field begins; nil where the table lacks it.
  private func field(_ number: Int) -> Int? {
    guard let back = Self.read(bytes, position, Int32.self), let size = Self.read(bytes, position - back, UInt16.self),
      4 + 2 * number + 2 <= size, let offset = Self.read(bytes, position - back + 4 + 2 * number, UInt16.self),
      offset != 0
    else { return nil }
    return Self.target(bytes, position + offset)
  }

  /// The tables of a vector; empty where the field is missing.
  func tables(_ number: Int) -> [FlatTable] {
    guard let start = field(number), let count = Self.read(bytes, start, UInt32.self), count <= bytes.count / 4 else {
      return []
    }
    return (0..<count).compactMap { index in
      Self.target(bytes, start + 4 + 4 * index).map { FlatTable(bytes, $0) }
    }
  }

  func text(_ number: Int) -> String? {
    guard let start = field(number), let count = Self.read(bytes, start, UInt32.self), count <= bytes.count - start - 4
    else { return nil }
    return String(decoding: bytes[(start + 4)..<(start + 4 + count)], as: UTF8.self)
  }
}
