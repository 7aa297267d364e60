import CLinux
package import Inference
import Running
import Synchronization

/// What is served under which name, as it was at one moment. Immutable; loops read it without a call.
///
/// The router's actor publishes a new table at each change. Names are looked up as raw bytes: no `String` is made.
package final class RoutingTable: Sendable {
  package struct Model: Sendable {
    let key: String
    package let name: String
    /// Highest version first.
    package let versions: [ServedVersion]
    /// Why there are none.
    package let reason: String
    /// A version was served and will be again: its runner's process is being started.
    var isComingBack = false
    /// The version for requests that name none; nil for the highest.
    var preferred: Int?
    /// What else versions may be called.
    var words: [RegisteredModel.Word] = []
  }

  package let count: Int
  private let slots: PagedArray<TableSlot>
  private let mask: Int
  /// Made when they are first asked for.
  let knownRows = AtomicLazyReference<ServedRows>()

  package convenience init(_ models: [Model] = []) { self.init(models.map { TableSlot($0) }) }

  private init(_ all: [TableSlot]) {
    // At most half full, so that a search ends soon.
    var size = 8
    while size < all.count * 2 { size *= 2 }
    var slots = PagedArray(repeating: TableSlot.free, count: size)
    for slot in all {
      var index = Int(truncatingIfNeeded: slot.hash) & (size - 1)
      while !slots[index].isFree { index = (index + 1) & (size - 1) }
      slots[index] = slot
    }
    count = all.count
    self.slots = slots
    mask = size - 1
  }

  private init(_ slots: PagedArray<TableSlot>, count: Int) {
    self.count = count
    self.slots = slots
    mask = slots.count - 1
  }

  /// This table with another entry of that key; nil takes it out.
  ///
  /// A change among thousands of models costs the copy of some hundred references, not a table.
  func replacing(_ key: String, with model: Model?) -> RoutingTable {
    var key = key
    let index = key.withUTF8 { find(UnsafeRawBufferPointer($0), []).index }
    var changed = slots
    guard let model else {
      guard !slots[index].isFree else { return self }
      close(index, in: &changed)
      return RoutingTable(changed, count: count - 1)
    }
    let newCount = slots[index].isFree ? count + 1 : count
    changed[index] = TableSlot(model)
    return newCount * 2 <= slots.count
      ? RoutingTable(changed, count: newCount) : RoutingTable(changed.filter { !$0.isFree })
  }

  /// Empties a place, and lets those move up that lie behind it because it was taken.
  private func close(_ index: Int, in slots: inout PagedArray<TableSlot>) {
    var gap = index
    var next = (gap + 1) & mask
    while !slots[next].isFree {
      let home = Int(truncatingIfNeeded: slots[next].hash) & mask
      if (next - home) & mask >= (next - gap) & mask {
        slots[gap] = slots[next]
        gap = next
      }
      next = (next + 1) & mask
    }
    slots[gap] = .free
  }

  /// Those of all tenants, by key.
  package var allModels: [Model] { models { _ in true }.sorted { $0.key < $1.key } }

  /// All of a tenant, by name.
  package func models(of tenant: TenantID) -> [Model] {
    let prefix = TenantScope(tenant).prefix
    return models { $0.isOf(prefix) }.sorted { $0.name < $1.name }
  }

  /// Slots are looked at where they are: a copy of each would count references.
  private func models(where isWanted: (borrowing TableSlot) -> Bool) -> [Model] {
    slots.indices.compactMap { index in
      let slot = slots.pointer(to: index)
      return isWanted(slot.pointee) ? slot.pointee.model : nil
    }
  }

  /// Every version that is served, in no order.
  package func forEachVersion(_ body: (ServedVersion) -> Void) {
    for index in slots.indices {
      if let model = slots.pointer(to: index).pointee.model { for version in model.versions { body(version) } }
    }
  }

  package func model(_ name: UnsafeRawBufferPointer, in scope: TenantScope = .standard) -> Model? {
    entry(name, in: scope).slot.pointee.model
  }

  /// Where a name is, or would be, for as long as the table lives.
  package struct Entry {
    fileprivate let index: Int
    fileprivate let slot: UnsafePointer<TableSlot>
  }

  /// Fetches the place of a name that will be looked for soon.
  @inline(__always)
  package func expect(_ name: UnsafeRawBufferPointer, in scope: TenantScope) {
    let slot = UnsafeRawPointer(slots.pointer(to: Int(truncatingIfNeeded: hash(name, scope.prefix)) & mask))
    for line in 0...2 { linux_prefetch(slot + 64 * line) }
  }

  @inline(__always)
  private func hash(_ name: UnsafeRawBufferPointer, _ prefix: [UInt8]) -> UInt64 {
    let hash = prefix.isEmpty ? TableSlot.seed : prefix.withUnsafeBytes { TableSlot.hash(TableSlot.seed, $0) }
    return TableSlot.hash(hash, name)
  }

  /// Looks for a model, and has fetched what a request reads of it.
  @inline(__always)
  package func entry(_ name: UnsafeRawBufferPointer, in scope: TenantScope) -> Entry { find(name, scope.prefix) }

  @inline(__always)
  private func find(_ name: UnsafeRawBufferPointer, _ prefix: [UInt8]) -> Entry {
    let hash = hash(name, prefix)
    var index = Int(truncatingIfNeeded: hash) & mask
    while true {
      let slot = slots.pointer(to: index)
      for line in 1...2 { linux_prefetch(UnsafeRawPointer(slot) + 64 * line) }
      if slot.pointee.isFree { return Entry(index: index, slot: slot) }
      if slot.pointee.hash == hash {
        slot.pointee.lines.fetch()
        if slot.pointee.hasKey(prefix, name) { return Entry(index: index, slot: slot) }
      }
      index = (index + 1) & mask
    }
  }

  package func version(
    _ name: UnsafeRawBufferPointer, _ version: VersionName, in scope: TenantScope = .standard
  ) throws(HostError) -> ServedVersion {
    try self.version(name, version, at: entry(name, in: scope))
  }

  /// - Parameters:
  ///   - name: Decoded UTF-8, for errors.
  ///   - entry: Of this name in this table.
  /// - Throws: `.notFound` in the words that clients look for; `.overloaded` while the model's runner comes back.
  package func version(
    _ name: UnsafeRawBufferPointer, _ version: VersionName, at entry: Entry
  ) throws(HostError) -> ServedVersion {
    switch version {
    case .preferred: try self.version(name, number: nil, at: entry)
    case .number(let number): try self.version(name, number: number, at: entry)
    case .word(let word): try self.version(name, called: word, at: entry)
    }
  }

  /// The version that a request calls by a word, as `production` or `1.2.0-rc1`.
  ///
  /// - Throws: As `version(_:_:)` does.
  private func version(
    _ name: UnsafeRawBufferPointer, called word: UnsafeRawBufferPointer, at entry: Entry
  ) throws(HostError) -> ServedVersion {
    guard let model = entry.slot.pointee.model, let match = model.words.first(where: { $0.bytes.elementsEqual(word) })
    else {
      // Which says it, if the model is what is missing.
      _ = try version(name, number: nil, at: entry)
      let (name, word) = (String(decoding: name, as: UTF8.self), String(decoding: word, as: UTF8.self))
      throw HostError(
        .notFound,
        "Request for unknown model: '\(name)' version \(word.excerpt) is not served; promote it or give it an alias")
    }
    return try version(name, number: match.number, at: entry)
  }

  /// - Parameter version: Nil for the preferred, else the highest.
  @inline(__always)
  private func version(
    _ name: UnsafeRawBufferPointer, number version: Int?, at entry: Entry
  ) throws(HostError) -> ServedVersion {
    if version == nil, let served = entry.slot.pointee.served { return served }
    return try find(version, of: entry.slot.pointee.model, name)
  }

  private func find(
    _ version: Int?, of model: Model?, _ name: UnsafeRawBufferPointer
  ) throws(HostError) -> ServedVersion {
    guard let model else {
      throw HostError(
        .notFound, "Request for unknown model: '\(String(decoding: name, as: UTF8.self).excerpt)' is not found")
    }
    guard let latest = model.versions.first else {
      if model.isComingBack { throw comingBack(model) }
      throw HostError(
        .notFound, "Request for unknown model: '\(model.name)' has no available versions: \(model.reason)")
    }
    guard let version = version ?? model.preferred else { return latest }
    guard let match = model.versions.first(where: { $0.number == version }) else {
      if model.isComingBack { throw comingBack(model) }
      throw HostError(.notFound, "Request for unknown model: '\(model.name)' version \(version) is not found")
    }
    return match
  }

  private func comingBack(_ model: Model) -> HostError {
    let advice = "; try again later"
    let reason = model.reason.hasSuffix(advice) ? model.reason : model.reason + advice
    return HostError(.overloaded, "model '\(model.name)' is not served at the moment: \(reason)")
  }
}
