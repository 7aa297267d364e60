import Glibc
import Inference
import Synchronization

/// The sets of histograms, one beside the other: whoever writes all of them goes through memory in a row, instead of
/// fetching each from somewhere. Any thread.
final class SeriesMemory: Sendable {
  private struct State: @unchecked Sendable {
    // @unchecked: under the lock.
    var chunks: [UnsafeMutableRawPointer] = []
    /// All that there ever were.
    var places: [SeriesCells] = []
    /// By place; nil where there is none.
    var used: [SeriesCells?] = []
    /// By place: whose it is, or was; nil for the default tenant.
    var tenants: [String?] = []
    var free: [Int] = []
    /// Given back while they may have been read, each with the last reading that may do so.
    var left: [(index: Int, reading: UInt64)] = []
    var readings: [UInt64] = []
    var lastReading: UInt64 = 0
  }

  /// Places that are made at once: 100 KB, and as many as a huge page holds once there are more.
  private static let firstCount = 64
  private static let chunkBytes = 2 << 20
  private static let chunkCount = chunkBytes / SeriesCells.byteCount
  private let state = Mutex(State())

  init() {
    precondition(
      SeriesCells.fineCount == TimeScale.fine.count + 1 && SeriesCells.coarseCount == TimeScale.coarse.count + 1)
  }

  deinit {
    state.withLock { state in
      state.places.forEach { $0.end() }
      state.chunks.forEach { free($0) }
    }
  }

  /// - Parameter isListed: Whether readers come by it.
  func take(_ labels: SeriesLabels, isListed: Bool) -> SeriesCells {
    let (version, place) = (labels.versionText, labels.placeText)
    return state.withLock { state in
      let cells = state.free.popLast().map { state.places[$0] } ?? Self.grow(&state)
      cells.begin(version: version, place: place, takesRows: labels.takesRows)
      state.tenants[cells.index] = labels.tenant
      if isListed { state.used[cells.index] = cells }
      return cells
    }
  }

  private static func grow(_ state: inout State) -> SeriesCells {
    let index = state.places.count
    let (chunk, place) =
      index < firstCount ? (0, index) : (1 + (index - firstCount) / chunkCount, (index - firstCount) % chunkCount)
    if place == 0 { state.chunks.append(makeChunk(chunk == 0 ? firstCount * SeriesCells.byteCount : chunkBytes)) }
    let cells = SeriesCells(at: state.chunks[chunk] + place * SeriesCells.byteCount, index: index)
    state.places.append(cells)
    state.used.append(nil)
    state.tenants.append(nil)
    return cells
  }

  private static func makeChunk(_ byteCount: Int) -> UnsafeMutableRawPointer {
    let isHuge = byteCount == chunkBytes
    guard let chunk = aligned_alloc(isHuge ? chunkBytes : 64, byteCount) else {
      preconditionFailure("out of memory for histograms; their limit bounds them")
    }
    // Each request adds to some set of thousands: in pages of 4 KB each would have to be looked for. It may be refused.
    if isHuge { madvise(chunk, byteCount, MADV_HUGEPAGE) }
    return chunk
  }

  /// Its place is used again when all have ended who read it now.
  func giveBack(_ cells: SeriesCells) {
    state.withLock { state in
      state.used[cells.index] = nil
      state.left.append((cells.index, state.lastReading))
      Self.release(&state)
    }
  }

  private static func release(_ state: inout State) {
    let first = state.readings.min() ?? .max
    let count = state.left.prefix { $0.reading < first }.count
    for place in state.left[..<count] {
      state.places[place.index].end()
      state.free.append(place.index)
    }
    state.left.removeFirst(count)
  }

  /// - Parameter tenant: Whose sets; nil for all.
  func beginReading(of tenant: TenantID?) -> (number: UInt64, used: [SeriesCells?]) {
    state.withLock { state in
      state.lastReading += 1
      state.readings.append(state.lastReading)
      guard let tenant else { return (state.lastReading, state.used) }
      let name = tenant == .standard ? nil : tenant.text
      return (state.lastReading, zip(state.used, state.tenants).map { $1 == name ? $0 : nil })
    }
  }

  func endReading(_ number: UInt64) {
    state.withLock { state in
      state.readings.removeAll { $0 == number }
      Self.release(&state)
    }
  }
}

/// The sets that there were when it began, for as long as it is held.
package final class SeriesReading: Sendable {
  private let memory: SeriesMemory
  private let number: UInt64
  private let used: [SeriesCells?]

  init(_ memory: SeriesMemory, of tenant: TenantID?) {
    self.memory = memory
    (number, used) = memory.beginReading(of: tenant)
  }

  deinit { memory.endReading(number) }

  /// How many places there are, and what one holds.
  package var placeCount: Int { used.count }
  package func cells(at place: Int) -> SeriesCells? { used[place] }
}
