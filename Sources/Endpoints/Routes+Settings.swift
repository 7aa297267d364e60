import Admission
import Inference
import Routing
import Serving
import Telemetry
import Tracing
import Wire

/// The logging and trace extensions. protocol.md section 15.
extension Routes {
  // MARK: Logging

  func logging(_ exchange: Exchange, _ method: HTTPMethod) throws(HostError) {
    guard method == .get || Self.allow(.post, method, exchange) else { return }
    if method == .post {
      try exchange.caller.requireOperator()
      let wishes = try members(exchange)
      // All are read before any takes effect.
      var changes: [(Log.Level, Bool)] = []
      for wish in wishes where wish.value != .null {
        switch wish.key {
        case "log_info": changes.append((.info, try bool(wish)))
        case "log_warning": changes.append((.warning, try bool(wish)))
        case "log_error": changes.append((.error, try bool(wish)))
        case "log_verbose_level":
          guard let level = wish.value.int, level >= 0 else { throw wrong(wish, "an integer of 0 or more") }
          changes.append((.debug, level > 0))
        case "log_format":
          guard wish.value == "ISO8601" else {
            throw wrong(wish, "\"ISO8601\": the log has no other form of time")
          }
        case "log_file":
          guard wish.value == "" else {
            return exchange.refuse(
              HostError(.notOffered, "the log goes to standard error; 'log_file' can't be set while the host runs"))
          }
        default: continue
        }
      }
      for (level, isOn) in changes { Log.enable(level, isOn) }
    }
    Self.answer(
      exchange,
      [
        "log_file": "", "log_info": .bool(Log.isEnabled(.info)), "log_warning": .bool(Log.isEnabled(.warning)),
        "log_error": .bool(Log.isEnabled(.error)), "log_verbose_level": Log.isEnabled(.debug) ? 1 : 0,
        "log_format": "ISO8601",
      ])
  }

  private func bool(_ member: JSONValue.Member) throws(HostError) -> Bool {
    guard let value = member.value.bool else { throw wrong(member, "true or false") }
    return value
  }

  private func members(_ exchange: Exchange) throws(HostError) -> [JSONValue.Member] {
    guard let members = try Self.json(exchange)?.members else {
      throw HostError(.invalidRequest, "the body must be an object with the settings to change")
    }
    return members
  }

  private func wrong(_ member: JSONValue.Member, _ wanted: String) -> HostError {
    HostError(.invalidRequest, "'\(member.key)' must be \(wanted), not \(member.value.text.excerpt)")
  }

  // MARK: Traces

  /// - Parameter model: Nil for all.
  func traceSetting(_ exchange: Exchange, _ method: HTTPMethod, of model: String?) throws(HostError) {
    guard method == .get || Self.allow(.post, method, exchange) else { return }
    let tenant = try exchange.tenant
    let model = try model.map { (name) throws(HostError) in try served(name, nil, of: tenant).key }
    let settings = observer.tracer.settings
    if method == .post {
      try model == nil ? exchange.caller.requireOperator() : exchange.caller.require(.publish)
      var changes: [(inout TraceSettings.Values) -> Void] = []
      for wish in try members(exchange) {
        if wish.key == "trace_file" && wish.value != "" && wish.value != .null {
          return exchange.refuse(
            HostError(.notOffered, "traces go to --trace-endpoint; 'trace_file' is not offered"))
        }
        if let change = try traceChange(wish, ofAll: model == nil) { changes.append(change) }
      }
      settings.update(model) { values in for change in changes { change(&values) } }
    }
    let values = settings.values(of: model)
    let rate = (values.share ?? 0) > 0 ? (1 / (values.share ?? 1)).rounded() : 0
    Self.answer(
      exchange,
      [
        "trace_level": [values.isOn == true ? "TIMESTAMPS" : "OFF"],
        "trace_rate": .string(String(Int(min(rate, 1e15)))),
        "trace_count": .string(String(values.count ?? -1)), "log_frequency": "0", "trace_file": "",
        "trace_mode": "opentelemetry",
      ])
  }

  /// What one member of the body changes; nil for nothing.
  private func traceChange(
    _ wish: JSONValue.Member, ofAll: Bool
  ) throws(HostError) -> ((inout TraceSettings.Values) -> Void)? {
    switch wish.key {
    case "trace_level":
      let isOn = try wish.value == .null ? nil : isTracing(wish)
      return ofAll && isOn == nil ? nil : { $0.isOn = isOn }
    case "trace_rate":
      guard let rate = try number(wish) else { return ofAll ? nil : { $0.share = nil } }
      guard rate >= 0 else { throw wrong(wish, "0 or more, as in \"100\" for one request in a hundred") }
      return { $0.share = rate == 0 ? 0 : 1 / Double(rate) }
    case "trace_count":
      guard let count = try number(wish) else { return ofAll ? nil : { $0.count = nil } }
      return { $0.count = max(count, -1) }
    case "log_frequency":
      guard try number(wish) ?? 0 == 0 else { throw wrong(wish, "\"0\": there are no trace files to write") }
      return nil
    case "trace_mode":
      guard wish.value == "opentelemetry" || wish.value == .null else { throw wrong(wish, "\"opentelemetry\"") }
      return nil
    default: return nil
    }
  }

  private func isTracing(_ wish: JSONValue.Member) throws(HostError) -> Bool {
    let words = (wish.value.array ?? []).compactMap(\.string).filter { ["OFF", "TIMESTAMPS", "TENSORS"].contains($0) }
    guard wish.value.array != nil, !words.isEmpty else { throw wrong(wish, "a list of OFF or TIMESTAMPS") }
    guard !words.contains("TENSORS") else { throw wrong(wish, "OFF or TIMESTAMPS: tensors are not traced") }
    guard words == ["OFF"] || !words.contains("OFF") else { throw wrong(wish, "OFF alone, or without OFF") }
    let isOn = words != ["OFF"]
    guard !isOn || observer.tracer.exporter != nil else {
      throw HostError(.conflict, "traces have nowhere to go: start the host with --trace-endpoint URL")
    }
    return isOn
  }

  /// Numbers of this extension are strings; nil for null.
  private func number(_ wish: JSONValue.Member) throws(HostError) -> Int? {
    if wish.value == .null { return nil }
    guard let value = wish.value.string.flatMap({ Int($0) }) else { throw wrong(wish, "an integer as a string") }
    return value
  }
}
