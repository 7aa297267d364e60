/// What is to be done when, soonest first: a binary heap. Adding takes logarithmic time, removing none worth naming.
///
/// What is removed stays in the heap until its time, or until it is most of the heap.
struct DeadlineQueue {
  private struct Entry {
    let deadlineNs: UInt64
    let id: UInt64
  }
  private var heap: [Entry] = []
  /// Of those that haven't been removed.
  private var actions: [UInt64: @Sendable () -> Void] = [:]

  /// Entries that the heap holds, removed ones among them.
  var heapCount: Int { heap.count }

  /// - Parameter id: Used once.
  mutating func add(id: UInt64, deadlineNs: UInt64, _ action: @escaping @Sendable () -> Void) {
    actions[id] = action
    heap.append(Entry(deadlineNs: deadlineNs, id: id))
    rise(heap.count - 1)
  }

  /// Unknown ids are fine.
  mutating func remove(id: UInt64) {
    guard actions.removeValue(forKey: id) != nil else { return }
    // Each time, at least half of the heap goes: in all no more work than the entries were.
    if heap.count > 2 * actions.count + 64 { rebuild() }
  }

  /// The soonest deadline.
  var nextNs: UInt64? {
    mutating get {
      while let first = heap.first, actions[first.id] == nil { removeFirst() }
      return heap.first?.deadlineNs
    }
  }

  /// Takes all whose deadline isn't after `now`, in the order of their deadlines.
  mutating func takeDue(_ now: UInt64) -> [@Sendable () -> Void] {
    var due: [@Sendable () -> Void] = []
    while let first = heap.first, first.deadlineNs <= now {
      removeFirst()
      if let action = actions.removeValue(forKey: first.id) { due.append(action) }
    }
    return due
  }

  private mutating func rebuild() {
    heap.removeAll { actions[$0.id] == nil }
    for index in stride(from: heap.count / 2 - 1, through: 0, by: -1) { sink(index) }
  }

  private mutating func removeFirst() {
    heap.swapAt(0, heap.count - 1)
    heap.removeLast()
    sink(0)
  }

  private mutating func rise(_ index: Int) {
    var index = index
    while index > 0 {
      let parent = (index - 1) / 2
      guard heap[index].deadlineNs < heap[parent].deadlineNs else { return }
      heap.swapAt(index, parent)
      index = parent
    }
  }

  private mutating func sink(_ index: Int) {
    var index = index
    while true {
      var child = 2 * index + 1
      guard child < heap.count else { return }
      if child + 1 < heap.count && heap[child + 1].deadlineNs < heap[child].deadlineNs { child += 1 }
      guard heap[child].deadlineNs < heap[index].deadlineNs else { return }
      heap.swapAt(index, child)
      index = child
    }
  }
}
