import CLinux
import Running

/// A model in a routing table, found by the bytes of its key. Immutable; any thread.
///
/// A class, so that the next table takes over what stays by reference. What a request looks at is one piece of memory
/// unless its key is long.
final class TableSlot: Sendable {
  let hash: UInt64
  /// What requests get that name no version; nil if that isn't served.
  let served: ServedVersion?
  private let keyCount: Int
  private let shortKey: InlineArray<48, UInt8>
  /// Of `served`.
  let lines: HotLines
  /// A key that is longer than the short one's room.
  private let longKey: [UInt8]
  let model: RoutingTable.Model

  init(_ model: RoutingTable.Model) {
    self.model = model
    served = model.versions.first { model.preferred == nil || $0.number == model.preferred }
    var lines = HotLines()
    served?.note(&lines)
    self.lines = lines
    let key = Array(model.key.utf8)
    hash = key.withUnsafeBytes { Self.hash(Self.seed, $0) }
    keyCount = key.count
    var short = InlineArray<48, UInt8>(repeating: 0)
    let isLong = key.count > short.count
    if !isLong { for (index, byte) in key.enumerated() { short[index] = byte } }
    shortKey = short
    longKey = isLong ? key : []
  }

  private func byte(_ index: Int) -> UInt8 { longKey.isEmpty ? shortKey[index] : longKey[index] }

  /// - Parameter prefix: Of a tenant's keys.
  func isOf(_ prefix: [UInt8]) -> Bool {
    if prefix.isEmpty { return !(0..<keyCount).contains { byte($0) == UInt8(ascii: "/") } }
    return keyCount >= prefix.count && prefix.indices.allSatisfy { byte($0) == prefix[$0] }
  }

  @inline(__always)
  func hasKey(_ prefix: [UInt8], _ name: UnsafeRawBufferPointer) -> Bool {
    keyCount == prefix.count + name.count && prefix.indices.allSatisfy { byte($0) == prefix[$0] }
      && name.indices.allSatisfy { byte(prefix.count + $0) == name[$0] }
  }

  /// Has the part fetched that a search reads, which is longer than a line.
  @inline(__always)
  static func fetch(_ slot: Unmanaged<TableSlot>) {
    let start = UnsafeRawPointer(slot.toOpaque())
    for offset in stride(from: 64, through: 384, by: 64) { linux_prefetch(start + offset) }
  }

  static let seed: UInt64 = 0xcbf2_9ce4_8422_2325

  /// FNV-1a, 64 bits; `hash` is that of the bytes in front.
  static func hash(_ hash: UInt64, _ bytes: UnsafeRawBufferPointer) -> UInt64 {
    var hash = hash
    for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    return hash
  }
}
