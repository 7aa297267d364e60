package import Inference

/// Chooses a runner: the same candidates and the same demand give the same answer, in any order of candidates.
///
/// Decided in this order: format, devices, capabilities, health, preferred runners, priority (higher), score
/// (higher), load (lower), id (byte order). A preferred device beats a preferred runner. Of several formats that one
/// runner takes, the one that it names first.
package enum RunnerChoice {
  package struct Pick: Sendable, Equatable {
    /// Index into the candidates.
    package let candidate: Int
    /// Index into the demand's formats.
    package let format: Int
    package let device: DeviceKind
  }

  package struct Rejection: Sendable, Equatable {
    package let id: String
    /// As "serves echo, not onnx".
    package let reason: String
    /// True if the runner fits and only its health speaks against it: later may work.
    package let isTemporary: Bool
  }

  package struct Ranking: Sendable, Equatable {
    /// Best first. A runner stands here once for each fitting device and each format that it takes.
    package let picks: [Pick]
    /// Runners without any pick, by id.
    package let rejections: [Rejection]
  }

  package static func ranked(among candidates: [RunnerCandidate], for demand: RunnerDemand) -> Ranking {
    var picks: [Ranked] = []
    var rejections: [Rejection] = []
    for (index, candidate) in candidates.enumerated() {
      let formats = formats(of: candidate, for: demand)
      let devices = devices(of: candidate, for: demand)
      if let rejection = rejection(of: candidate, formats: formats, devices: devices, for: demand) {
        rejections.append(rejection)
        continue
      }
      let own = devices.flatMap { device in
        formats.map { Pick(candidate: index, format: $0, device: device) }
      }
      picks += own.enumerated().map { Ranked($1, order: $0, of: candidate, for: demand) }
    }
    picks.sort(by: <)
    rejections.sort { $0.id.utf8.lexicographicallyPrecedes($1.id.utf8) }
    return Ranking(picks: picks.map(\.pick), rejections: rejections)
  }

  /// The candidates that share the first place in all that is known without opening them.
  package static func leaders(
    of ranking: Ranking, among candidates: [RunnerCandidate], for demand: RunnerDemand
  ) -> [Int] {
    let ranked = ranking.picks.map { Ranked($0, order: 0, of: candidates[$0.candidate], for: demand) }
    guard let first = ranked.first else { return [] }
    var leaders: [Int] = []
    for each in ranked.prefix(while: first.sharesPlace(with:)) where !leaders.contains(each.pick.candidate) {
      leaders.append(each.pick.candidate)
    }
    return leaders
  }

  /// - Throws: `.overloaded` if a runner fits but is unavailable, `.unsupported` if none fits; both say why for each.
  package static func best(
    among candidates: [RunnerCandidate], for demand: RunnerDemand
  ) throws(HostError) -> Pick {
    let ranking = ranked(among: candidates, for: demand)
    if let best = ranking.picks.first { return best }
    throw failure(ranking, among: candidates, for: demand)
  }

  /// The formats that will do, in the order of the candidate.
  private static func formats(of candidate: RunnerCandidate, for demand: RunnerDemand) -> [Int] {
    candidate.formats.flatMap { format in demand.formats.indices.filter { demand.formats[$0] == format } }
  }

  /// The devices that will do, each once, in the order of the demand, then of the candidate.
  private static func devices(of candidate: RunnerCandidate, for demand: RunnerDemand) -> [DeviceKind] {
    var devices: [DeviceKind] = []
    for device in demand.devices where candidate.devices.contains(device) && !devices.contains(device) {
      devices.append(device)
    }
    guard !demand.devicesRequired || demand.devices.isEmpty else { return devices }
    for device in candidate.devices where !devices.contains(device) { devices.append(device) }
    return devices
  }

  private static func rejection(
    of candidate: RunnerCandidate, formats: [Int], devices: [DeviceKind], for demand: RunnerDemand
  ) -> Rejection? {
    func rejected(_ reason: String, isTemporary: Bool = false) -> Rejection {
      Rejection(id: candidate.id, reason: reason, isTemporary: isTemporary)
    }
    if formats.isEmpty {
      return rejected("serves \(list(candidate.formats)), not \(demand.formats.joined(separator: " or "))")
    }
    if candidate.devices.isEmpty { return rejected("names no device") }
    if devices.isEmpty {
      return rejected("runs on \(list(candidate.devices.map(\.name))), not on \(list(demand.devices.map(\.name)))")
    }
    let missing = demand.elementTypes.subtracting(candidate.elementTypes)
    if !missing.isEmpty { return rejected("can't take \(list(missing.map(\.manifestName).sorted()))") }
    if demand.needsDynamicShapes && !candidate.dynamicShapes { return rejected("can't take dynamic shapes") }
    if demand.needsStreaming && !candidate.streams { return rejected("can't stream") }
    if demand.needsBatching && !candidate.batching { return rejected("can't batch") }
    if candidate.score == 0 { return rejected("says that it can't run on this machine") }
    switch candidate.health {
    case .ready: return nil
    case .unavailable(let reason): return rejected("is unavailable: \(reason)", isTemporary: true)
    case .refused(let reason): return rejected("is refused: \(reason)")
    }
  }

  private static func list(_ words: [String]) -> String {
    words.isEmpty ? "nothing" : words.joined(separator: ", ")
  }

  /// Why nobody is among the picks.
  package static func failure(
    _ ranking: Ranking, among candidates: [RunnerCandidate], for demand: RunnerDemand
  ) -> HostError {
    let isWanted = demand.devicesRequired && !demand.devices.isEmpty
    let place = isWanted ? " on \(demand.devices.map(\.name).joined(separator: " or "))" : ""
    let what = "no runner for format \(demand.formats.joined(separator: " or "))\(place)"
    guard !candidates.isEmpty else {
      return HostError(.unsupported, "\(what) (no runners at all); install one and its manifest")
    }
    let devices = Dictionary(candidates.map { ($0.id, $0.devices) }) { first, _ in first }
    var reasons = ranking.rejections.prefix(8).map { rejection in
      "\(rejection.id) \((devices[rejection.id] ?? []).map(\.name).joined(separator: "+")): \(rejection.reason)"
    }
    if ranking.rejections.count > 8 { reasons.append("and \(ranking.rejections.count - 8) more") }
    let count = candidates.count == 1 ? "1 runner" : "\(candidates.count) runners"
    let detail = "\(what) (\(count): \(reasons.joined(separator: "; ")))"
    if ranking.rejections.contains(where: \.isTemporary) { return HostError(.overloaded, "\(detail); try again later") }
    return HostError(.unsupported, "\(detail); install one\(alternative(candidates, demand))")
  }

  /// " or ask for cpu", where giving up the wanted devices would help.
  private static func alternative(_ candidates: [RunnerCandidate], _ demand: RunnerDemand) -> String {
    guard demand.devicesRequired else { return "" }
    var relaxed = demand
    relaxed.devicesRequired = false
    guard let pick = ranked(among: candidates, for: relaxed).picks.first else { return "" }
    return " or ask for \(pick.device.name)"
  }
}

/// A pick with what it is compared by.
private struct Ranked {
  let pick: RunnerChoice.Pick
  let deviceRank: Int
  let runnerRank: Int
  /// Among the picks of its candidate.
  let order: Int
  let candidate: RunnerCandidate

  init(_ pick: RunnerChoice.Pick, order: Int, of candidate: RunnerCandidate, for demand: RunnerDemand) {
    self.pick = pick
    self.order = order
    self.candidate = candidate
    deviceRank = demand.devices.firstIndex(of: pick.device) ?? demand.devices.count
    runnerRank = demand.runners.firstIndex(of: candidate.id) ?? demand.runners.count
  }

  /// Nothing but what opening shows, or chance, decides between the two.
  func sharesPlace(with other: Ranked) -> Bool {
    deviceRank == other.deviceRank && runnerRank == other.runnerRank && candidate.priority == other.candidate.priority
  }

  static func < (a: Ranked, b: Ranked) -> Bool {
    if a.deviceRank != b.deviceRank { return a.deviceRank < b.deviceRank }
    if a.runnerRank != b.runnerRank { return a.runnerRank < b.runnerRank }
    if a.candidate.priority != b.candidate.priority { return a.candidate.priority > b.candidate.priority }
    if a.candidate.score != b.candidate.score { return a.candidate.score > b.candidate.score }
    if a.candidate.load != b.candidate.load { return a.candidate.load < b.candidate.load }
    if a.candidate.id != b.candidate.id {
      return a.candidate.id.utf8.lexicographicallyPrecedes(b.candidate.id.utf8)
    }
    return a.order < b.order
  }
}
