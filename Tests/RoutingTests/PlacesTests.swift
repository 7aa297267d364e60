import Synchronization
import Testing

@testable import Routing

@Suite struct `Places for some at once` {
  private final class Begun: Sendable { let count = Atomic<Int>(0) }

  @Test func `lets as many begin as end, and more where those under way take long`() async {
    let window = Places(64)
    let begun = Begun()
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<200 {
        group.addTask {
          await window.take()
          begun.count.wrappingAdd(1, ordering: .relaxed)
        }
      }
      func reaches(_ count: Int) async {
        while begun.count.load(ordering: .relaxed) < count { await Task.yield() }
        #expect(begun.count.load(ordering: .relaxed) == count)
      }
      await reaches(64)
      for _ in 0..<60 { await window.give() }
      await reaches(124)
      // 60 of 64 have ended, so four of those that are left seem to take long.
      await window.widen()
      await reaches(128)
      await window.widen()
      await reaches(192)
      await window.widen()
      await reaches(200)
      // For nobody: what comes later finds no places that nobody has given back.
      for _ in 0..<10 { await window.widen() }
      await window.give()
      await window.take()
      let late = Task { await window.take() }
      await window.give()
      await late.value
    }
  }
}
