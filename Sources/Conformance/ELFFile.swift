import Glibc

/// What a 64-bit little-endian shared object says of itself, read from its section headers.
struct ELFFile {
  struct Unreadable: Error { let reason: String }

  private static let largestFile = 4 << 30  // engines linked in are some hundred MB

  /// The symbols that it defines for others.
  let exports: [String]
  /// Whether it is marked as one that needs static thread-local storage.
  let hasStaticTLS: Bool

  init(_ path: String) throws(Unreadable) {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw Unreadable(reason: String(cString: strerror(errno))) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_size >= 64, status.st_size <= Self.largestFile else {
      throw Unreadable(reason: "\(status.st_size) bytes are no library")
    }
    let size = Int(status.st_size)
    guard let base = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0), base != MAP_FAILED else {
      throw Unreadable(reason: String(cString: strerror(errno)))
    }
    defer { munmap(base, size) }
    try self.init(UnsafeRawBufferPointer(start: base, count: size))
  }

  private struct Section {
    let type: UInt32
    let offset: Int
    let byteCount: Int
    let link: Int
  }

  /// ELF-64: header of 64 bytes, section headers of 64, symbols of 24.
  init(_ file: UnsafeRawBufferPointer) throws(Unreadable) {
    guard file.count >= 64, file.prefix(6).elementsEqual([0x7F, 0x45, 0x4C, 0x46, 2, 1]) else {
      throw Unreadable(reason: "it isn't a 64-bit little-endian ELF file")
    }
    let table = file.loadUnaligned(fromByteOffset: 40, as: UInt64.self)
    let entryBytes = file.loadUnaligned(fromByteOffset: 58, as: UInt16.self)
    let count = Int(file.loadUnaligned(fromByteOffset: 60, as: UInt16.self))
    guard let start = Int(exactly: table), entryBytes == 64, count > 0, start <= file.count - count * 64 else {
      throw Unreadable(reason: "it has no section headers, or they lie outside of the file")
    }
    var sections: [Section] = []
    for index in 0..<count {
      let at = start + index * 64
      let offset = Int(exactly: file.loadUnaligned(fromByteOffset: at + 24, as: UInt64.self)) ?? .max
      let byteCount = Int(exactly: file.loadUnaligned(fromByteOffset: at + 32, as: UInt64.self)) ?? .max
      sections.append(
        Section(
          type: file.loadUnaligned(fromByteOffset: at + 4, as: UInt32.self), offset: offset, byteCount: byteCount,
          link: Int(file.loadUnaligned(fromByteOffset: at + 40, as: UInt32.self))))
    }
    let dynamicSymbols: UInt32 = 11
    guard let symbols = sections.first(where: { $0.type == dynamicSymbols }), sections.indices.contains(symbols.link)
    else { throw Unreadable(reason: "it has no dynamic symbols") }
    exports = try Self.names(file, symbols, sections[symbols.link])
    let dynamic: UInt32 = 6
    let entries = sections.first { $0.type == dynamic }
    hasStaticTLS = if let entries { try Self.flags(file, entries) & 0x10 != 0 } else { false }  // DF_STATIC_TLS
  }

  /// The value of DT_FLAGS; entries are a tag and a value of 8 bytes each.
  private static func flags(_ file: UnsafeRawBufferPointer, _ section: Section) throws(Unreadable) -> UInt64 {
    guard section.offset <= file.count, section.byteCount <= file.count - section.offset else {
      throw Unreadable(reason: "a section lies outside of the file")
    }
    for at in stride(from: section.offset, to: section.offset + section.byteCount / 16 * 16, by: 16)
    where file.loadUnaligned(fromByteOffset: at, as: UInt64.self) == 30 {
      return file.loadUnaligned(fromByteOffset: at + 8, as: UInt64.self)
    }
    return 0
  }

  private static func names(
    _ file: UnsafeRawBufferPointer, _ symbols: Section, _ strings: Section
  ) throws(Unreadable) -> [String] {
    for section in [symbols, strings]
    where section.offset > file.count || section.byteCount > file.count - section.offset {
      throw Unreadable(reason: "a section lies outside of the file")
    }
    let text = UnsafeRawBufferPointer(rebasing: file[strings.offset..<strings.offset + strings.byteCount])
    var names: [String] = []
    for index in 0..<symbols.byteCount / 24 {
      let at = symbols.offset + index * 24
      let name = Int(file.loadUnaligned(fromByteOffset: at, as: UInt32.self))
      let binding = file[at + 4] >> 4  // 0 local, 1 global, 2 weak, 10 unique
      let visibility = file[at + 5] & 3  // 0 default, 3 protected: others can bind to it
      let section = file.loadUnaligned(fromByteOffset: at + 6, as: UInt16.self)  // 0 undefined, 0xFFF1 absolute
      guard binding != 0, visibility == 0 || visibility == 3, section != 0, section != 0xFFF1, name < text.count else {
        continue
      }
      names.append(String(decoding: text[name...].prefix { $0 != 0 }, as: UTF8.self))
    }
    return names
  }
}
