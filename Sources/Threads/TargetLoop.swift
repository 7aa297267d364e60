import Synchronization

/// An event loop as those below it know it. Only used on its own thread, but for `isCurrent` and `place`.
package protocol TargetLoop: TaskExecutor {
  /// Among the loops of this process, from 0; free again once the loop has gone.
  var place: Int { get }
  /// The caller is on the loop's thread.
  var isCurrent: Bool { get }
  /// Targets that want to be swept; while there are none, the loop sleeps without a limit.
  var armedCount: Int { get set }

  /// Watches `descriptor` for `target`, which the loop keeps until it is taken off.
  ///
  /// - Returns: False if the system has no room for another watch; take it off then.
  @discardableResult
  func watch(_ descriptor: CInt, _ events: UInt32, _ target: EventTarget) -> Bool
  /// Takes `target` off and leaves `descriptor` open; `target` lives until the end of this batch of events.
  func unwatch(_ descriptor: CInt, _ target: EventTarget)
}

/// Gives each loop a small number while it lives. Any thread.
package enum LoopPlaces {
  private static let taken = Mutex<[Bool]>([])

  /// No loop has this number or a higher one.
  package static var end: Int { taken.withLock { ($0.lastIndex(of: true) ?? -1) + 1 } }

  package static func take() -> Int {
    taken.withLock { taken in
      if let free = taken.firstIndex(of: false) {
        taken[free] = true
        return free
      }
      taken.append(true)
      return taken.count - 1
    }
  }

  package static func give(_ place: Int) { taken.withLock { $0[place] = false } }
}
