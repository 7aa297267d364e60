/// Connections of one loop that have brought no request of a known caller, the oldest first. Whoever opens connections
/// and says nothing, or little by little, takes room from others of the kind only. Only touched from the loop's thread.
final class Newcomers {
  // Their loop keeps those that are listed: they are taken off before it forgets them.
  private unowned(unsafe) var oldest: Connection?
  private unowned(unsafe) var newest: Connection?
  private var count = 0

  /// - Parameter limit: Where there are more, the oldest that waits for its peer ends. 0 = no limit.
  func add(_ connection: Connection, limit: Int) {
    connection.olderNewcomer = newest
    newest?.newerNewcomer = connection
    newest = connection
    if oldest == nil { oldest = connection }
    connection.isNewcomer = true
    count += 1
    guard limit > 0, count > limit else { return }
    var next = oldest
    while let other = next, other !== connection {
      next = other.newerNewcomer
      if other.giveWay() { return }
    }
  }

  func remove(_ connection: Connection) {
    guard connection.isNewcomer else { return }
    let (older, newer) = (connection.olderNewcomer, connection.newerNewcomer)
    if let older { older.newerNewcomer = newer } else { oldest = newer }
    if let newer { newer.olderNewcomer = older } else { newest = older }
    connection.olderNewcomer = nil
    connection.newerNewcomer = nil
    connection.isNewcomer = false
    count -= 1
  }
}
