import Inference

/// A place in a routing table. What a request looks at are three cache lines side by side, unless its key is long.
struct TableSlot: Sendable {
  /// What only those read who look at more than the version that is served.
  private final class Content: Sendable {
    let model: RoutingTable.Model
    /// A key that is longer than the short one's room.
    let longKey: [UInt8]

    init(_ model: RoutingTable.Model, longKey: [UInt8]) {
      self.model = model
      self.longKey = longKey
    }
  }

  /// Nobody's.
  static let free = TableSlot()

  let hash: UInt64
  /// What requests get that name no version; nil if that isn't served.
  let served: ServedVersion?
  private let content: Content?
  /// 0 in a free place.
  private let keyCount: Int
  private let shortKey: InlineArray<40, UInt8>
  /// Of `served`.
  let lines: HotLines

  private init() {
    hash = 0
    served = nil
    content = nil
    keyCount = 0
    shortKey = InlineArray(repeating: 0)
    lines = HotLines()
  }

  init(_ model: RoutingTable.Model) {
    served = model.versions.first { model.preferred == nil || $0.number == model.preferred }
    var lines = HotLines()
    served?.note(&lines)
    self.lines = lines
    let key = Array(model.key.utf8)
    hash = key.withUnsafeBytes { Self.hash(Self.seed, $0) }
    keyCount = key.count
    var short = InlineArray<40, UInt8>(repeating: 0)
    let isLong = key.count > short.count
    if !isLong { for (index, byte) in key.enumerated() { short[index] = byte } }
    shortKey = short
    content = Content(model, longKey: isLong ? key : [])
  }

  var isFree: Bool { keyCount == 0 }
  /// Nil in a free place.
  var model: RoutingTable.Model? { content?.model }

  private func byte(_ index: Int) -> UInt8 {
    keyCount > shortKey.count ? content?.longKey[index] ?? 0 : shortKey[index]
  }

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

  static let seed: UInt64 = 0xcbf2_9ce4_8422_2325

  /// FNV-1a, 64 bits; `hash` is that of the bytes in front.
  static func hash(_ hash: UInt64, _ bytes: UnsafeRawBufferPointer) -> UInt64 {
    var hash = hash
    for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    return hash
  }
}
