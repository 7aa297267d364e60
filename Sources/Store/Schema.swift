/// What the database looks like: one list for all parts of the host, in the order in which it grew.
///
/// To add to it: a step in a file of its own, as `Schema+Tenants.swift`, and its name at the end here.
package enum Schema {
  package static let migrations: [Migration] = [
    tenants, registry, life, jobs, quotas, uploads, auditCounts, approvals, pages,
  ]
}
