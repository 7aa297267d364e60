/// What `stadion top` shows of an interval, as lines for a terminal or for a pipe.
package struct TopView {
  private let interval: HostInterval

  package init(_ interval: HostInterval) { self.interval = interval }

  // MARK: A terminal

  /// At most `height` lines of at most `width` characters.
  package func lines(width: Int, height: Int) -> [String] {
    let now = interval.now
    var lines = [
      "stadion \(now.version)  connections \(now.connections)  cpu \(Self.percent(interval.cpuShare))"
        + "  loops busy \(Self.percent(interval.busyShare))  memory \(Self.bytes(now.residentBytes))  q quits",
      "",
    ]
    // Models need lines more than runners do: these get a third at most.
    let runnerRoom = max(1, min(now.runners.count, height / 3 - 1))
    lines.append(Self.row(["RUNNER", "STATE", "MODELS", "RESTARTS", "CRASHES", "MEMORY"], Self.runnerColumns, width))
    for runner in now.runners.prefix(runnerRoom) {
      lines.append(
        Self.row(
          [
            Self.name(of: runner), runner.state, String(runner.models), String(runner.restarts), String(runner.crashes),
            runner.residentBytes > 0 ? Self.bytes(runner.residentBytes) : "-",
          ], Self.runnerColumns, width))
    }
    if now.runners.count > runnerRoom { lines.append("and \(now.runners.count - runnerRoom) more runners") }
    lines.append("")
    if showsTenants { lines += tenantLines(width, room: max(1, height / 4 - 2)) }
    lines.append(
      Self.row(
        ["MODEL", "RUNNER", "REQ/S", "RUN", "QUEUE", "P50", "P99", "FAIL/S"], Self.modelColumns, width))
    let modelRoom = max(height - lines.count - 1, 0)
    for model in interval.models.prefix(modelRoom) {
      lines.append(Self.row(cells(model), Self.modelColumns, width))
    }
    if interval.models.count > modelRoom { lines.append("and \(interval.models.count - modelRoom) more models") }
    return Array(lines.prefix(height)).map { String($0.prefix(width)) }
  }

  /// Widths of columns for 80 characters; the first takes what is left, and those below zero stand to the right.
  private static func name(of runner: HostSample.Runner) -> String {
    runner.tenant.map { $0 == "default" ? runner.id : "\(runner.id) \($0)" } ?? runner.id
  }

  private static let runnerColumns = [0, 12, -7, -9, -8, -9]
  private static let tenantColumns = [0, -8, -8, -10, -9]
  private static let modelColumns = [0, 16, -8, -4, -6, -8, -8, -7]

  /// One alone is no news.
  private var showsTenants: Bool { interval.tenants.count > 1 }

  private func tenantLines(_ width: Int, room: Int) -> [String] {
    var lines = [Self.row(["TENANT", "REQ/S", "ACTIVE", "REFUSED/S", "RUN TIME"], Self.tenantColumns, width)]
    for tenant in interval.tenants.prefix(room) {
      lines.append(
        Self.row(
          [
            tenant.now.id, Self.number(tenant.perSecond), String(tenant.now.active),
            Self.number(tenant.refusedPerSecond), Self.percent(tenant.runShare),
          ], Self.tenantColumns, width))
    }
    if interval.tenants.count > room { lines.append("and \(interval.tenants.count - room) more tenants") }
    return lines + [""]
  }

  private func cells(_ model: HostInterval.Model) -> [String] {
    let owner = showsTenants && !model.now.tenant.isEmpty ? "\(model.now.tenant)/" : ""
    let runner = model.now.runner.split(separator: ".").last.map(String.init) ?? model.now.runner
    return [
      "\(owner)\(model.now.name):\(model.now.version)", "\(runner) \(model.now.device)",
      Self.number(model.perSecond), String(model.now.running), String(model.now.waiting), Self.duration(model.p50),
      Self.duration(model.p99), Self.number(model.failedPerSecond),
    ]
  }

  private static func row(_ cells: [String], _ columns: [Int], _ width: Int) -> String {
    let others = columns.reduce(0) { $0 + abs($1) } + columns.count - 1
    let first = max(width - others, 8)
    var line = ""
    for (cell, column) in zip(cells, columns) {
      let room = column == 0 ? first : abs(column)
      let clean = Table.printable(cell)
      let text = clean.count > room ? String(clean.prefix(max(room - 1, 0))) + "…" : clean
      let blank = String(repeating: " ", count: room - text.count)
      line += (line.isEmpty ? "" : " ") + (column < 0 ? blank + text : text + blank)
    }
    while line.last == " " { line.removeLast() }
    return line
  }

  // MARK: A pipe

  /// A line for each model, with everything in it that a line needs by itself; then one for each tenant, if there are
  /// several.
  package var plainLines: [String] {
    let runners = Dictionary(interval.now.runners.map { ([$0.id, $0.tenant], $0) }) { first, _ in first }
    let models = interval.models.map { model in
      let runner = runners[[model.now.runner, model.now.tenant]] ?? runners[[model.now.runner, nil]]
      return Table.printable(
        "model=\(model.now.name):\(model.now.version) tenant=\(model.now.tenant) runner=\(model.now.runner) device=\(model.now.device) "
          + "state=\(runner?.state ?? "-") restarts=\(runner?.restarts ?? 0) "
          + "requests_per_s=\(Self.number(model.perSecond)) running=\(model.now.running) "
          + "waiting=\(model.now.waiting) p50=\(Self.duration(model.p50)) p99=\(Self.duration(model.p99)) "
          + "failed_per_s=\(Self.number(model.failedPerSecond))")
    }
    guard showsTenants else { return models }
    return models
      + interval.tenants.map { tenant in
        Table.printable(
          "tenant=\(tenant.now.id) requests_per_s=\(Self.number(tenant.perSecond)) active=\(tenant.now.active) "
            + "refused_per_s=\(Self.number(tenant.refusedPerSecond)) run_time=\(Self.percent(tenant.runShare))")
      }
  }

  // MARK: Numbers

  private static func percent(_ share: Double) -> String { "\(Int((share * 100).rounded())) %" }

  private static func bytes(_ count: Int) -> String {
    count < 10_000_000 ? "\((count + 500) / 1000) KB" : "\((count + 500_000) / 1_000_000) MB"
  }

  private static func number(_ value: Double) -> String {
    if value == 0 { return "0" }
    return value < 10 ? tenths(value) : String(Int(value.rounded()))
  }

  /// `-`, `12 µs`, `3.2 ms`, `1.5 s`.
  private static func duration(_ nanoseconds: Double?) -> String {
    guard let nanoseconds else { return "-" }
    if nanoseconds >= Double(Int.max) { return ">100 s" }
    if nanoseconds < 999_500 { return "\(Int((nanoseconds / 1000).rounded())) µs" }
    let ms = nanoseconds / 1e6
    if ms < 1000 { return (ms < 10 ? tenths(ms) : String(Int(ms.rounded()))) + " ms" }
    return tenths(ms / 1000) + " s"
  }

  private static func tenths(_ value: Double) -> String {
    let all = Int((value * 10).rounded())
    return "\(all / 10).\(all % 10)"
  }
}
