package import Inference
package import Store

/// Who is somebody else, as far as keys can tell.
extension Connection {
  /// Why a caller can't stand for a second person beside `asker`; nil where it can.
  ///
  /// A key is one person with those it was rotated from; a key that was revoked is nobody, and one that the asker has made
  /// is the asker's.
  package func reasonNotOther(_ caller: String, than asker: String) throws(HostError) -> String? {
    let (own, askers) = (try line(of: caller), try line(of: asker))
    if own.isRevoked { return "revoked" }
    if !own.names.isDisjoint(with: askers.names) { return "who asks" }
    if !own.makers.isDisjoint(with: askers.names) { return "made by who asks" }
    return nil
  }

  /// The names of a caller, by way of its keys' rotations, and who has made them.
  private func line(
    of caller: String
  ) throws(HostError) -> (names: Set<String>, makers: Set<String>, isRevoked: Bool) {
    let prefix = "key:"
    guard caller.hasPrefix(prefix) else { return ([caller], [], false) }
    let keys = try all(
      """
      WITH RECURSIVE line(id, createdBy, rotatedFrom) AS (
        SELECT id, createdBy, rotatedFrom FROM keys WHERE id = ?
        UNION SELECT keys.id, keys.createdBy, keys.rotatedFrom FROM keys JOIN line ON keys.id = line.rotatedFrom
      ) SELECT id, createdBy, (SELECT revokedMs IS NOT NULL FROM keys WHERE keys.id = line.id) FROM line
      """, String(caller.dropFirst(prefix.count))
    ) { (row) throws(HostError) -> (name: String, maker: String?, isRevoked: Bool) in
      (prefix + (try row.value(0)), try row.value(1), try row.value(2, as: Int.self) == 1)
    }
    let isRevoked = keys.first { $0.name == caller }?.isRevoked ?? true
    return (Set(keys.map(\.name) + [caller]), Set(keys.compactMap(\.maker)), isRevoked)
  }
}
