import Admission
import Inference
import Manifests
import Registry
import Routing
import Running
import Serving
import Wire

/// `/v1`: what operators ask of runners and models.
extension Routes {
  func respondV1(_ exchange: Exchange, _ method: HTTPMethod, _ path: [String]) async throws(HostError) {
    switch (path.first, path.count) {
    case ("runners", 1):
      if Self.allow(.get, method, exchange) { try await runners(exchange) }
    case ("runners", 2):
      guard Self.allow(.get, method, exchange) else { return }
      Self.answer(exchange, runner(try await router.runnerReport(path[1], for: try exchange.tenant)))
    case ("runners", 3) where path[2] == "restart":
      guard Self.allow(.post, method, exchange) else { return }
      try exchange.caller.requireOperator()
      let tenant = try exchange.tenant
      try await router.restartRunner(path[1], of: tenant)
      try await note(exchange, "runner.restart", of: tenant, path[1])
      Self.answer(exchange, ["id": .string(path[1]), "state": "ready"])
    case ("statistics", 1):
      guard Self.allow(.get, method, exchange) else { return }
      try await observations(exchange)
    case ("models", 1):
      guard Self.allow(.get, method, exchange) else { return }
      try await models(exchange)
    case ("models", 2):
      guard Self.allow(.get, method, exchange) else { return }
      Self.answer(exchange, model(try await router.report(path[1], of: try exchange.tenant)))
    case ("quota", 1): try await respondQuota(exchange, method, of: try exchange.tenant)
    case ("tenants", 3) where path[2] == "quota": try await respondQuota(exchange, method, ofTenant: path[1])
    case ("tenants", _), ("keys", _), ("audit", _): try await respondTenants(exchange, method, path)
    case ("uploads", 1...2): try await respondUploads(exchange, method, Array(path.dropFirst()))
    case ("registry", 1): try await registrySummaries(exchange, method)
    case ("jobs", 1...2): try await respondJobs(exchange, method, Array(path.dropFirst()))
    case ("versions", 1), ("models", 3...6): try await respondRegistry(exchange, method, path)
    default: Self.refuseUnknown(exchange)
    }
  }

  /// All, or a page by name where `limit` is given.
  private func models(_ exchange: Exchange) async throws(HostError) {
    var query = try Self.query(exchange)
    let cursor = try query.text("cursor")
    let limit = query.has("limit") ? try Self.limit(&query) : Int.max
    try query.end()
    let all = await router.reports(for: try exchange.tenant)
    let rest = cursor.map { last in Array(all.drop { $0.name <= last }) } ?? all
    let page = rest.prefix(limit)
    Self.answer(
      exchange, "models", page.map { model($0) }, next: rest.count > page.count ? page.last?.name : nil)
  }

  // MARK: Runners

  /// Those that may serve, and those that could be installed; with `?all=1` the refused and filtered ones, too.
  private func runners(_ exchange: Exchange) async throws(HostError) {
    // What is wrong with files of the host is its operator's business.
    let all = Self.hasFlag(exchange, "all") && exchange.caller.isOperator
    let reports = await router.runnerReports(for: try exchange.tenant, withOthers: try scope(exchange) == nil)
    var rows = reports.filter { all || $0.state != "refused" }.map { runner($0) }
    rows += router.manifests.skipped.filter { all || $0.isOffered }.map { skipped in
      [
        "id": .string(skipped.id), "state": skipped.isOffered ? "not installed" : "filtered",
        "reason": .string(skipped.reason.description), "manifest": .string(skipped.sourcePath),
      ]
    }
    var answer: [JSONValue.Member] = [.init("runners", .array(rows))]
    if all {
      let problems = router.manifests.problems + router.manifests.remarks
      answer.append(.init("problems", .array(problems.map { problem($0) })))
    }
    Self.answer(exchange, .object(answer))
  }

  private func runner(_ report: RunnerReport) -> JSONValue {
    let manifest = report.manifest
    var members: [JSONValue.Member] = [
      .init("id", .string(manifest.id)), .init("title", .string(manifest.title ?? manifest.id)),
      .init("version", .string(report.facts?.version ?? manifest.version)),
      .init("engine", .string(report.facts?.engine ?? "")),
      .init("state", .string(report.state)),
    ]
    if let tenant = report.tenant { members.append(.init("tenant", .string(tenant.text))) }
    if let reason = report.reason { members.append(.init("reason", .string(reason))) }
    if let facts = report.facts { members.append(.init("score", .integer(facts.score))) }
    if let process = report.processID { members.append(.init("processID", .integer(process))) }
    if manifest.isolation != .host { members.append(.init("crashes", .integer(report.crashes))) }
    let devices: [JSONValue] =
      report.facts?.devices.map { device in
        [
          "kind": .string(device.kind.name), "name": .string(device.name), "ordinal": .integer(device.ordinal),
          "maxConcurrentRuns": .integer(device.maxConcurrentRuns),
        ]
      } ?? manifest.devices.map { ["kind": .string($0.kind.name)] }
    members += [
      .init("isolation", .string(manifest.isolation.rawValue)), .init("priority", .integer(manifest.priority)),
      .init("devices", .array(devices)),
      .init("formats", .array(manifest.models.formats.map { .string($0) })),
      .init("elementTypes", .array(manifest.models.elementTypes.map(\.manifestName).sorted().map { .string($0) })),
      .init("dynamicShapes", .bool(manifest.models.dynamicShapes)), .init("streams", .bool(manifest.models.streams)),
      .init("batching", .bool(manifest.models.batching)), .init("cancel", .string(manifest.models.cancel.rawValue)),
      .init("models", .array(report.models.map { .string($0) })), .init("manifest", .string(manifest.sourcePath)),
    ]
    return .object(members)
  }

  private func problem(_ problem: ManifestProblem) -> JSONValue {
    let place = problem.key ?? problem.line.map { "line \($0)" } ?? ""
    var members: [JSONValue.Member] = [
      .init("file", .string(problem.file)), .init("where", .string(place)), .init("message", .string(problem.message)),
      .init("severity", .string(problem.severity.rawValue)),
    ]
    if let suggestion = problem.suggestion { members.append(.init("suggestion", .string(suggestion))) }
    return .object(members)
  }

  // MARK: Models

  private func model(_ report: ModelReport) -> JSONValue {
    let versions: [JSONValue] = report.versions.map { version in
      var members: [JSONValue.Member] = [
        .init("version", .string(version.label)), .init("state", .string(version.state)),
        .init("format", .string(version.format)),
      ]
      if !version.reason.isEmpty { members.append(.init("reason", .string(version.reason))) }
      if let instance = version.served?.instances.first {
        members += [
          .init("runner", .string(instance.runnerID)), .init("device", .string(instance.device.name)),
          .init("running", .integer(version.served?.instances.reduce(0) { $0 + $1.gate.runningCount } ?? 0)),
          .init("waiting", .integer(version.served?.instances.reduce(0) { $0 + $1.gate.waitingCount } ?? 0)),
          .init("runNanoseconds", .integer(instance.place.averageNanoseconds)),
        ]
      }
      return .object(members)
    }
    var members: [JSONValue.Member] = [
      .init("name", .string(report.name)), .init("folder", .string(report.entry.path)),
      .init("versions", .array(versions)),
      .init("settings", settings(report.entry.settings)),
    ]
    if let problem = report.problem, report.versions.isEmpty || report.entry.settingsProblem != nil {
      members.append(.init("problem", .string(problem)))
    }
    return .object(members)
  }

  /// What `model.json` says and clients may use: labels, and hints on how files become tensors.
  private func settings(_ settings: ModelSettings) -> JSONValue {
    var members: [JSONValue.Member] = []
    if let description = settings.description { members.append(.init("description", .string(description))) }
    members += [
      .init("runners", .array(settings.runners.map { .string($0) })),
      .init("devices", .array(settings.devices.map { .string($0.name) })),
      .init("timeoutMs", .integer(settings.timeoutMs)), .init("queueLimit", .integer(settings.queueLimit)),
      .init("labels", .object(settings.labels.sorted { $0.key < $1.key }.map { .init($0.key, .string($0.value)) })),
      .init("inputs", .object(settings.inputs.sorted { $0.key < $1.key }.map { .init($0.key, $0.value) })),
    ]
    return .object(members)
  }
}
