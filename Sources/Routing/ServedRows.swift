package import Inference
import Running
import Synchronization
import Telemetry
import Wire

/// What a table's models are asked for at each reading of `/metrics`, one row beside the other: with thousands of models,
/// what takes time is to find each in memory.
final class ServedRows: @unchecked Sendable {
  // @unchecked: nothing of it changes, and the table keeps what rows point to.

  /// A model version in one place.
  struct Row {
    let gate: Unmanaged<RunGate>
    /// Nil but for the first place of a version.
    let statistics: Unmanaged<ModelStatistics>?
    let labelStart: Int
    let labelCount: Int
    let versionCount: Int
  }

  let rows: [Row]
  /// Whose each row is.
  let tenants: [TenantID]
  let text: ByteBuffer
  let loads: RunnerLoads

  init(_ table: RoutingTable) {
    var rows: [Row] = []
    var tenants: [TenantID] = []
    var loads = RunnerLoads()
    let text = ByteBuffer(capacity: table.count * 128)
    table.forEachVersion { served in
      for (index, model) in served.instances.enumerated() {
        loads.count(model)
        let labels = served.labels(of: model)
        let (version, place) = (labels.versionText, labels.placeText)
        rows.append(
          Row(
            gate: .passUnretained(model.gate), statistics: index == 0 ? .passUnretained(served.statistics) : nil,
            labelStart: text.count, labelCount: version.count + place.count, versionCount: version.count))
        tenants.append(served.tenant)
        version.withUnsafeBytes { text.append($0) }
        place.withUnsafeBytes { text.append($0) }
      }
    }
    self.rows = rows
    self.tenants = tenants
    self.text = text
    self.loads = loads
  }
}

/// How busy a model version is in one place.
package struct ModelLoad {
  package let running: Int
  package let waiting: Int
  /// Failures of the version in all of its places; nil but for the first of them.
  package let failures: UInt64?
  /// `model="…",…` as it stands between the braces of each line. The table has it.
  package let labels: UnsafeRawBufferPointer
  /// As much of it as names the model and its version.
  package let versionLabels: UnsafeRawBufferPointer
}

extension RoutingTable {
  private var rows: ServedRows { knownRows.load() ?? knownRows.storeIfNil(ServedRows(self)) }

  /// How many models each runner serves.
  package var runnerLoads: RunnerLoads { rows.loads }

  /// What is going on in each place of each model, in no order.
  ///
  /// - Parameter tenant: Whose; nil for all.
  package func modelLoads(of tenant: TenantID?) -> [ModelLoad] {
    let rows = rows
    var loads: [ModelLoad] = []
    loads.reserveCapacity(rows.rows.count)
    for (index, row) in rows.rows.enumerated() {
      if let tenant, rows.tenants[index] != tenant { continue }
      let labels = UnsafeRawBufferPointer(start: rows.text.base + row.labelStart, count: row.labelCount)
      let (running, waiting) = row.gate._withUnsafeGuaranteedRef { $0.counts }
      loads.append(
        ModelLoad(
          running: running, waiting: waiting,
          failures: row.statistics?._withUnsafeGuaranteedRef { $0.fail.count },
          labels: labels, versionLabels: UnsafeRawBufferPointer(rebasing: labels[..<row.versionCount])))
    }
    return loads
  }
}
