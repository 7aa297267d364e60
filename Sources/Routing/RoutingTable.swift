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
  private let slots: PagedArray<TableSlot?>
  private let mask: Int
  /// Made when they are first asked for.
  let knownRows = AtomicLazyReference<ServedRows>()

  package convenience init(_ models: [Model] = []) { self.init(models.map { TableSlot($0) }) }

  private init(_ all: [TableSlot]) {
    // At most half full, so that a search ends soon.
    var size = 8
    while size < all.count * 2 { size *= 2 }
    var slots = PagedArray<TableSlot?>(repeating: nil, count: size)
    for slot in all {
      var index = Int(truncatingIfNeeded: slot.hash) & (size - 1)
      while slots[index] != nil { index = (index + 1) & (size - 1) }
      slots[index] = slot
    }
    count = all.count
    self.slots = slots
    mask = size - 1
  }

  private init(_ slots: PagedArray<TableSlot?>, count: Int) {
    self.count = count
    self.slots = slots
    mask = slots.count - 1
  }

  /// This table with another entry of that key; nil takes it out.
  ///
  /// A change among thousands of models costs the copy of some hundred references, not a table.
  func replacing(_ key: String, with model: Model?) -> RoutingTable {
    var key = key
    let index = key.withUTF8 { place(of: UnsafeRawBufferPointer($0), behind: []) }
    var changed = slots
    guard let model else {
      guard slots[index] != nil else { return self }
      close(index, in: &changed)
      return RoutingTable(changed, count: count - 1)
    }
    let newCount = slots[index] == nil ? count + 1 : count
    changed[index] = TableSlot(model)
    return newCount * 2 <= slots.count
      ? RoutingTable(changed, count: newCount) : RoutingTable(changed.compactMap { $0 })
  }

  /// Empties a place, and lets those move up that lie behind it because it was taken.
  private func close(_ index: Int, in slots: inout PagedArray<TableSlot?>) {
    var gap = index
    var next = (gap + 1) & mask
    while let slot = slots[next] {
      let home = Int(truncatingIfNeeded: slot.hash) & mask
      if (next - home) & mask >= (next - gap) & mask {
        slots[gap] = slot
        gap = next
      }
      next = (next + 1) & mask
    }
    slots[gap] = nil
  }

  /// Those of all tenants, by key.
  package var allModels: [Model] { slots.compactMap { $0?.model }.sorted { $0.key < $1.key } }

  /// All of a tenant, by name.
  package func models(of tenant: TenantID) -> [Model] {
    let prefix = TenantScope(tenant).prefix
    return slots.compactMap { slot in slot?.isOf(prefix) == true ? slot?.model : nil }.sorted { $0.name < $1.name }
  }

  /// Every version that is served, in no order.
  package func forEachVersion(_ body: (ServedVersion) -> Void) {
    for slot in slots { if let slot { for version in slot.model.versions { body(version) } } }
  }

  package func model(_ name: UnsafeRawBufferPointer, in scope: TenantScope = .standard) -> Model? {
    slots[place(of: name, behind: scope.prefix)]?.model
  }

  /// Index of the slot with this key, or of the free one where it would be.
  private func place(of name: UnsafeRawBufferPointer, behind prefix: [UInt8]) -> Int { find(name, prefix).index }

  /// - Returns: The slot with this key, which this table keeps, and its place; or nil and where it would be.
  @inline(__always)
  private func find(_ name: UnsafeRawBufferPointer, _ prefix: [UInt8]) -> (index: Int, slot: Unmanaged<TableSlot>?) {
    var hash = TableSlot.seed
    if !prefix.isEmpty { hash = prefix.withUnsafeBytes { TableSlot.hash(hash, $0) } }
    hash = TableSlot.hash(hash, name)
    var index = Int(truncatingIfNeeded: hash) & mask
    while let slot = slots.unretained(index) {
      TableSlot.fetch(slot)
      let isFound = slot._withUnsafeGuaranteedRef { slot in
        guard slot.hash == hash else { return false }
        slot.lines.fetch()
        return slot.hasKey(prefix, name)
      }
      if isFound { return (index, slot) }
      index = (index + 1) & mask
    }
    return (index, nil)
  }

  package func version(
    _ name: UnsafeRawBufferPointer, _ version: VersionName, in scope: TenantScope = .standard
  ) throws(HostError) -> ServedVersion {
    switch version {
    case .preferred: try self.version(name, nil, in: scope)
    case .number(let number): try self.version(name, number, in: scope)
    case .word(let word): try self.version(name, called: word, in: scope)
    }
  }

  /// The version that a request calls by a word, as `production` or `1.2.0-rc1`.
  ///
  /// - Throws: As `version(_:_:)` does.
  private func version(
    _ name: UnsafeRawBufferPointer, called word: UnsafeRawBufferPointer, in scope: TenantScope
  ) throws(HostError) -> ServedVersion {
    guard let model = model(name, in: scope), let match = model.words.first(where: { $0.bytes.elementsEqual(word) })
    else {
      // Which says it, if the model is what is missing.
      _ = try version(name, nil, in: scope)
      let (name, word) = (String(decoding: name, as: UTF8.self), String(decoding: word, as: UTF8.self))
      throw HostError(
        .notFound,
        "Request for unknown model: '\(name)' version \(word.excerpt) is not served; promote it or give it an alias")
    }
    return try version(name, match.number, in: scope)
  }

  /// - Parameters:
  ///   - name: Decoded UTF-8.
  ///   - version: Nil for the preferred, else the highest.
  /// - Throws: `.notFound` in the words that clients look for; `.overloaded` while the model's runner comes back.
  package func version(
    _ name: UnsafeRawBufferPointer, _ version: Int?, in scope: TenantScope = .standard
  ) throws(HostError) -> ServedVersion {
    let slot = find(name, scope.prefix).slot
    if version == nil, let served = slot?._withUnsafeGuaranteedRef({ $0.served }) { return served }
    guard let model = slot?._withUnsafeGuaranteedRef({ $0.model }) else {
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
