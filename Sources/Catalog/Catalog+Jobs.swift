package import Inference
import Storage
package import Store
import Synchronization
import Telemetry
package import Wire

/// Registrations by storage URI: jobs that outlive their requests, and the host.
extension Catalog {
  /// Jobs of one tenant that wait or run.
  private static let maxOpenJobs = 1000
  /// A job during which the host has ended so often is given up: it may be why.
  private static let maxStarts = 5

  /// Begins to register a version whose files are to be fetched; what can be told at once is refused at once.
  ///
  /// - Returns: The job, as `job(_:tenant:)` tells how it goes.
  package func begin(_ wanted: RemoteRegistration) async throws(HostError) -> JSONValue {
    let version = wanted.version
    try check(version)
    _ = try sources.find(wanted.uri, tenant: version.tenant)
    try await checkFree(version)
    let id = String((0..<32).map { _ in "0123456789abcdef".randomElement()! })
    let now = WallClock.nowMs
    let job = try await database.transaction { (db) throws(HostError) -> RegistrationJob in
      try forgetOldJobs(db, now)
      let count = try db.first(
        "SELECT count(*) FROM jobs WHERE tenant = ? AND state IN ('queued', 'running')", version.tenant
      ) { (row) throws(HostError) -> Int in try row.value(0) }
      guard count ?? 0 < Self.maxOpenJobs else {
        throw HostError(.overloaded, "\(Self.maxOpenJobs) jobs wait already; wait for some to end, or cancel them")
      }
      try db.run(
        """
        INSERT INTO jobs (id, tenant, kind, createdMs, createdBy, model, request, state)
        VALUES (?, ?, 'register', ?, ?, ?, ?, 'queued')
        """, id, version.tenant, now, version.caller.name, version.model, wanted.json.text, doing: "beginning a job")
      guard let job = try db.job(id) else { throw HostError(.internalError, "a job that was begun isn't there") }
      return job
    }
    await enqueue(job)
    return job.json(nil)
  }

  private func enqueue(_ job: RegistrationJob) async {
    jobCounts.queue(job.id, of: job.wanted.version.tenant)
    await queue.add(job.id) { [self] fetch in await run(job, fetch) }
  }

  /// Goes on with what the last host has left. Once the router has started.
  package func resume() async throws(HostError) {
    let jobs = try await database.transaction { (db) throws(HostError) -> [RegistrationJob] in
      try forgetOldJobs(db, WallClock.nowMs)
      let jobs = try db.all(
        "SELECT \(RegistrationJob.columns) FROM jobs WHERE state IN ('queued', 'running') ORDER BY number"
      ) { (row) throws(HostError) -> RegistrationJob in try RegistrationJob(row) }
      for job in jobs where job.startCount >= Self.maxStarts {
        try db.end(
          job.id, as: .failed,
          HostError(.internalError, "given up: the host has ended during it \(job.startCount) times; see its log"))
      }
      return jobs
    }
    for job in jobs where job.startCount >= Self.maxStarts {
      jobCounts.queue(job.id, of: job.wanted.version.tenant)
      jobCounts.move(job.id, to: .failed)
    }
    let left = jobs.filter { $0.startCount < Self.maxStarts }
    for job in left { await enqueue(job) }
    await queue.open()
    await cleanStorage()
    await serveIncomplete()
    if !left.isEmpty { Log.info("goes on with registrations", ("jobs", String(left.count))) }
  }

  private func serveIncomplete() async {
    for plan in incomplete.withLock({ $0 }) {
      do throws(HostError) {
        try await serve(plan.name, tenant: plan.tenant)
      } catch {
        Log.warning(
          "a registered version can't be served", ("tenant", plan.tenant.text), ("model", plan.name),
          ("reason", error.description))
      }
    }
  }

  private func forgetOldJobs(_ db: Connection, _ now: Int) throws(HostError) {
    try db.run(
      "DELETE FROM jobs WHERE endedMs < ?", now - options.fetching.jobKeepMs, doing: "forgetting old jobs")
  }

  // MARK: Looking and ending

  /// - Throws: `.notFound` where the tenant has no such job.
  package func job(_ id: String, tenant: TenantID) async throws(HostError) -> JSONValue {
    // Before the row: a transfer that ends in between is no news then.
    let fetch = await queue.fetch(id)
    return try await found(id, tenant).json(fetch)
  }

  package struct JobFilter: Sendable {
    package var state: String?
    package var model: String?
    package var cursor: Int?
    package var limit = 100

    package init() {}
  }

  /// A page of jobs, the newest first, and where the next page starts.
  package func jobs(tenant: TenantID, _ filter: JobFilter) async throws(HostError) -> JSONValue {
    if let word = filter.state, RegistrationJob.State(rawValue: word) == nil {
      let known = RegistrationJob.State.allCases.map(\.rawValue).joined(separator: ", ")
      throw HostError(.invalidRequest, "'\(word.excerpt)' is no state of a job; known are \(known)")
    }
    let limit = filter.limit
    let jobs = try await database.read { (db) throws(HostError) in
      try db.all(
        """
        SELECT \(RegistrationJob.columns) FROM jobs
        WHERE tenant = ?1 AND number < ?2 AND (?3 IS NULL OR state = ?3) AND (?4 IS NULL OR model = ?4)
        ORDER BY number DESC LIMIT ?5
        """, tenant, filter.cursor ?? Int.max, filter.state, filter.model, limit + 1
      ) { (row) throws(HostError) -> RegistrationJob in try RegistrationJob(row) }
    }
    var rows: [JSONValue] = []
    for job in jobs.prefix(limit) { rows.append(job.json(await queue.fetch(job.id))) }
    var members: [JSONValue.Member] = [.init("jobs", .array(rows))]
    if jobs.count > limit { members.append(.init("next", .string(String(jobs[limit - 1].number)))) }
    return .object(members)
  }

  /// Ends a job; nothing is registered by it afterwards.
  ///
  /// - Throws: `.conflict` where it is over.
  package func cancelJob(_ id: String, tenant: TenantID, caller: Author) async throws(HostError) -> JSONValue {
    _ = try await found(id, tenant)
    try await database.transaction { (db) throws(HostError) in
      guard try db.job(id)?.isOver == false else {
        throw HostError(.conflict, "job '\(id)' is over; look at what came of it")
      }
      try db.end(id, as: .cancelled, HostError(.cancelled, "cancelled by \(caller.name)"))
      try db.addAudit(caller, "job.cancel", of: tenant.text, id)
    }
    jobCounts.move(id, to: .cancelled)
    await queue.cancel(id)
    return try await found(id, tenant).json(nil)
  }

  private func found(_ id: String, _ tenant: TenantID) async throws(HostError) -> RegistrationJob {
    let job = try await database.read { (db) throws(HostError) in try db.job(id) }
    guard let job, job.wanted.version.tenant == tenant else {
      throw HostError(.notFound, "there is no job '\(id.excerpt)'; it may have been forgotten since its end")
    }
    return job
  }
}
