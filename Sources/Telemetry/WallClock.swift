import Glibc

/// Time as the database has it.
enum WallClock {
  /// Milliseconds since 1970.
  static var nowMs: Int {
    var now = timespec()
    clock_gettime(CLOCK_REALTIME, &now)
    return now.tv_sec * 1000 + now.tv_nsec / 1_000_000
  }
}
