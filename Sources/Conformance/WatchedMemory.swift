import Glibc
import Synchronization

/// Memory that runners may not touch: whoever does ends by a signal, and the report says which rule that breaks.
enum WatchedMemory {
  /// A mapping with pages that nobody may touch around its body.
  private struct Region {
    var start: UInt = 0
    var end: UInt = 0
    var body: Range<UInt> = 0..<0
    var line = (around: UnsafePointer<CChar>?.none, body: UnsafePointer<CChar>?.none)
  }

  static let capacity = 8192  // more are mapped, and a touch of those is a crash without a name
  // Read by the signal handler, which may take no lock; a slot is written before it can be touched.
  nonisolated(unsafe) private static let regions = {
    let regions = UnsafeMutablePointer<Region>.allocate(capacity: capacity)
    regions.initialize(repeating: Region(), count: capacity)
    return regions
  }()
  private static let free = Mutex(Array((0..<capacity).reversed()))
  nonisolated(unsafe) private static var descriptor: Int32 = -1  // written in `start`, before any library is opened
  private static let lines = Mutex<[String: UInt]>([:])

  /// From here on a touch is reported to `descriptor`, before the process ends.
  static func start(_ descriptor: Int32) {
    self.descriptor = descriptor
    _ = regions
    var action = sigaction()
    // Once: the next one ends the process.
    action.sa_flags = SA_SIGINFO | Int32(bitPattern: UInt32(SA_RESETHAND))
    action.__sigaction_handler.sa_sigaction = { _, info, _ in
      guard let info else { return }
      WatchedMemory.report(UInt(bitPattern: info.pointee._sifields._sigfault.si_addr))
      raise(SIGSEGV)  // one that was sent isn't repeated by going on
    }
    sigaction(SIGSEGV, &action, nil)
  }

  /// In the signal handler: pointers and numbers only, nothing that allocates or locks.
  private static func report(_ address: UInt) {
    for index in 0..<capacity {
      let region = regions + index
      guard address >= region.pointee.start, address < region.pointee.end else { continue }
      let isBody = address >= region.pointee.body.lowerBound && address < region.pointee.body.upperBound
      guard let line = isBody ? region.pointee.line.body : region.pointee.line.around else { return }
      _ = write(descriptor, line, strlen(line))
      return
    }
  }

  /// - Parameter around: What is broken by a touch of the pages around `body`.
  /// - Returns: Nil when there are `capacity` already.
  static func add(_ whole: Range<UInt>, body: Range<UInt>, around: Rule?) -> Int? {
    guard let slot = free.withLock({ $0.popLast() }) else { return nil }
    regions[slot] = Region(
      start: whole.lowerBound, end: whole.upperBound, body: body, line: (around.flatMap(line), nil))
    return slot
  }

  /// Says what a touch of the body breaks from here on.
  static func set(_ slot: Int, body rule: Rule) { regions[slot].line.body = line(rule) }

  static func remove(_ slot: Int) {
    regions[slot] = Region()
    free.withLock { $0.append(slot) }
  }

  /// What the handler writes; made once per rule and kept.
  private static func line(_ rule: Rule) -> UnsafePointer<CChar>? {
    let address = lines.withLock { lines in
      if let made = lines[rule.id] { return made }
      let made = UInt(bitPattern: strdup("{\"touched\":\"\(rule.id)\"}\n"))
      lines[rule.id] = made
      return made
    }
    return UnsafePointer(bitPattern: address)
  }
}
