/// Connections of one loop that have brought no request of a known caller, the oldest first. Whoever opens connections
/// and says nothing, or little by little, takes room from others of the kind only. Only touched from the loop's thread.
final class Newcomers {
  // Their loop keeps those that are listed: they are taken off before it forgets them.
  private unowned(unsafe) var oldest: Connection?
  private unowned(unsafe) var newest: Connection?
  private var count = 0

  /// - Parameter limit: Where there are more, the oldest that wait for their peers end. 0 = no limit.
  func add(_ connection: Connection, limit: Int) {
    connection.olderNewcomer = newest
    newest?.newerNewcomer = connection
    newest = connection
    if oldest == nil { oldest = connection }
    connection.isNewcomer = true
    count += 1
    if limit > 0 && count > limit { makeRoom(count - limit, for: connection) }
  }

  /// Of the oldest, so many are looked at whether they can end: with each that comes, so that it needn't be all at once.
  private static let looks = 32

  /// Ends the oldest that wait for their peers.
  ///
  /// - Parameters:
  ///   - wanted: So many; fewer where others are about to be served.
  ///   - newcomer: Not this one.
  /// - Returns: How many.
  @discardableResult
  func makeRoom(_ wanted: Int, for newcomer: Connection? = nil) -> Int {
    var (next, looks, ended) = (oldest, 0, 0)
    while let other = next, other !== newcomer, looks < Self.looks, ended < wanted {
      next = other.newerNewcomer
      looks += 1
      if other.giveWay() { ended += 1 }
    }
    return ended
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
