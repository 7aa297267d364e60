import Admission
import Inference
import Routing
import Serving
import Wire

/// The repository extension: what there is, load, unload. protocol.md section 12.
extension Routes {
  func index(_ exchange: Exchange) async throws(HostError) {
    let body = try Self.json(exchange)
    var onlyReady = false
    if let ready = body?["ready"] {
      guard let flag = ready.bool else {
        throw HostError(.invalidRequest, "'ready' must be true or false, not \(ready.kindName)")
      }
      onlyReady = flag
    }
    let (router, tenant, isNarrow) = (router, try exchange.tenant, onlyReady)
    // Thousands of rows are nothing for a loop.
    let text = await withTaskExecutorPreference(observer.threads) {
      JSONValue.array(Self.rows(await router.reports(for: tenant), onlyReady: isNarrow)).text
    }
    exchange.out.append(text)
  }

  private static func rows(_ reports: [ModelReport], onlyReady: Bool) -> [JSONValue] {
    var rows: [JSONValue] = []
    for report in reports {
      if report.versions.isEmpty && !onlyReady {
        var row: [JSONValue.Member] = [.init("name", .string(report.name))]
        if let problem = report.problem {
          row += [.init("state", "UNAVAILABLE"), .init("reason", .string(problem))]
        }
        rows.append(.object(row))
      }
      for version in report.versions where !onlyReady || version.state == "READY" {
        rows.append([
          "name": .string(report.name), "version": .string(version.label), "state": .string(version.state),
          "reason": .string(version.reason),
        ])
      }
    }
    return rows
  }

  func change(_ exchange: Exchange, _ name: String, loads: Bool) async throws(HostError) {
    let body = try Self.json(exchange)
    if let body, body.members == nil {
      throw HostError(.invalidRequest, "the body must be an object, not \(body.kindName)")
    }
    if let parameters = body?["parameters"] {
      guard let members = parameters.members else {
        throw HostError(.invalidRequest, "'parameters' must be an object, not \(parameters.kindName)")
      }
      for member in members where loads || member.key != "unload_dependents" {
        throw HostError(
          .invalidRequest,
          "failed to \(loads ? "load" : "unload") '\(name)': parameter '\(member.key)' is not offered; "
            + "put the model and its model.json into the repository's folder")
      }
    }
    try exchange.caller.require(.publish)
    let tenant = try exchange.tenant
    if loads { try await router.load(name, of: tenant) } else { await router.unload(name, of: tenant) }
    try await note(exchange, loads ? "model.load" : "model.unload", of: tenant, name)
  }
}
