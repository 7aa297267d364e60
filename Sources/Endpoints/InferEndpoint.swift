import Admission
import CLinux
import Inference
import Routing
import Running
import Serving
import Synchronization
import Telemetry

/// Largest sum of one answer's outputs; may change at any time.
final class OutputLimit: Sendable {
  let bytes: Atomic<Int>

  init(bytes: Int) { self.bytes = Atomic(bytes) }
}

/// `POST /v2/models/<m>[/versions/<v>]/infer`: the hot path.
struct InferEndpoint: Sendable {
  private let router: Router
  private let outputLimit: OutputLimit
  private let observer: Observer

  init(_ router: Router, _ outputLimit: OutputLimit, _ observer: Observer = Observer()) {
    self.router = router
    self.outputLimit = outputLimit
    self.observer = observer
  }

  /// - Parameters:
  ///   - name: The model's name, decoded.
  ///   - identity: Whose model it is, and whose quota.
  func respond(
    to exchange: Exchange, _ name: UnsafeRawBufferPointer, _ version: VersionName, _ identity: Identity
  ) async throws(HostError) {
    let began = linux_now_ns()
    let byteCount = exchange.body.count + (exchange.placedBody?.byteCount ?? 0)
    let quota = identity.quota
    // Looked up before anything else, so that it comes from memory meanwhile.
    let table = router.table
    let entry = table.entry(name, in: identity.caller.scope)
    let reservation = try quota.reserve(inputBytes: byteCount, nowNs: began)
    var computeNs: UInt64 = 0
    do throws(HostError) {
      let served = try table.version(name, version, at: entry)
      try await infer(
        exchange, name, version, served, identity.caller.scope, began,
        RunShare(tenant: quota.number, weight: quota.weight), &computeNs)
    } catch {
      reservation.release(after: error, computeNs: computeNs)
      throw error
    }
    reservation.commit(computeNs: computeNs)
  }

  /// - Parameters:
  ///   - served: What has this name and version now.
  ///   - computeNs: What the run took; a failed one, too.
  private func infer(
    _ exchange: Exchange, _ name: UnsafeRawBufferPointer, _ version: VersionName,
    _ served: ServedVersion, _ scope: TenantScope, _ began: UInt64, _ share: RunShare, _ computeNs: inout UInt64
  ) async throws(HostError) {
    var served = served
    let parts = try parts(exchange)
    let scratch = scratch(of: exchange)
    scratch.run.share = share
    while true {
      scratch.begin(outputCount: served.outputs.count)
      try scratch.run.begin(served.best)
      served.best.times.prefetch()
      var reader = InferRequestReader(
        served, scratch, json: parts.json, blobs: parts.blobs, blobsAreShared: exchange.placedBody != nil)
      if parts.json.isEmpty { try reader.readRaw() } else { try reader.read() }
      let model = try served.instance(on: scratch.device)
      // Instances of a version have one signature, but each runner may have its own memory.
      if model !== served.best { try scratch.run.retarget(model) }
      exchange.deadlineNs = deadline(scratch, served, began)
      scratch.run.ticket.renew(deadlineNs: exchange.deadlineNs)
      let parsed = linux_now_ns()
      let times: LoadedModel.Times
      do {
        times = try await run(model, served, scratch, exchange)
        computeNs = times.runNs
      } catch {
        computeNs = scratch.run.runNs
        // Replaced since the lookup: the version that took its place is there by now.
        guard error.isModelClosed else { throw error }
        let next = try router.table.version(name, version, in: scope)
        guard next !== served else { throw error }
        scratch.run.reset()
        served = next
        continue
      }
      let ran = linux_now_ns()
      do throws(HostError) {
        try InferResponseWriter(served, scratch, exchange).write()
      } catch {
        served.statistics.addFailedRun(linux_now_ns() - began)
        throw error
      }
      if !served.notice.isEmpty { exchange.addHeaderLines(served.notice) }
      let ended = linux_now_ns()
      observer.answered(
        exchange, by: model, served,
        ModelStatistics.Answer(
          startNs: began, inputNs: parsed - began, queueNs: times.queueNs, runNs: times.runNs, outputNs: ended - ran,
          endNs: ended, rows: scratch.run.rows))
      return
    }
  }

  @inline(__always)
  private func scratch(of exchange: Exchange) -> InferScratch {
    let bytes = outputLimit.bytes.load(ordering: .relaxed)
    if let known = exchange.scratch {
      let scratch = unsafeDowncast(known, to: InferScratch.self)
      scratch.run.outputByteLimit = bytes
      return scratch
    }
    let fresh = InferScratch()
    fresh.run.outputByteLimit = bytes
    exchange.scratch = fresh
    return fresh
  }

  /// CLOCK_MONOTONIC nanoseconds; 0 = none.
  private func deadline(_ scratch: InferScratch, _ served: ServedVersion, _ now: UInt64) -> UInt64 {
    let micros = scratch.timeoutMicros > 0 ? scratch.timeoutMicros : UInt64(served.timeoutMs) * 1000
    if micros == 0 { return 0 }
    // Beyond a century it is none.
    return micros > 1 << 51 ? 0 : now + micros * 1000
  }

  /// The body's JSON, empty for a raw tensor, and the binary part behind it.
  private func parts(
    _ exchange: Exchange
  ) throws(HostError) -> (json: UnsafeRawBufferPointer, blobs: UnsafeRawBufferPointer) {
    let body = exchange.body
    guard let value = exchange.head.value(of: InferEndpoint.headerLengthName) else {
      guard body.count > 0 else {
        throw HostError(.invalidRequest, "the request has no body; an inference request is JSON")
      }
      return (body, UnsafeRawBufferPointer(start: nil, count: 0))
    }
    guard let length = HTTPBytes.decimal(value), exchange.head.count(of: InferEndpoint.headerLengthName) == 1 else {
      throw HostError(.invalidRequest, "Inference-Header-Content-Length must be one decimal number")
    }
    if let placed = exchange.placedBody {
      return (body, UnsafeRawBufferPointer(start: placed.start, count: placed.byteCount))
    }
    guard length <= body.count else {
      throw HostError(
        .invalidRequest, "Inference-Header-Content-Length is \(length), the body has \(body.count) bytes")
    }
    return (UnsafeRawBufferPointer(rebasing: body[..<length]), UnsafeRawBufferPointer(rebasing: body[length...]))
  }

  static let headerLengthName: StaticString = "inference-header-content-length"

  private func run(
    _ model: LoadedModel, _ served: ServedVersion, _ scratch: InferScratch, _ exchange: Exchange
  ) async throws(HostError) -> LoadedModel.Times {
    let run = scratch.run
    return try await model.execute(run, on: exchange.loop, statistics: served.statistics) {
      let ticket = run.ticket
      let id = ticket.id
      exchange.onDisconnect = { model.cancel(ticket, id: id, .caller) }
    }
  }
}
