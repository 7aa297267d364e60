extension Schema {
  /// Pages of the audit, keys, uploads and histories cost the same however long these are: each index ends with what
  /// they are ordered by, behind what they are filtered by.
  static let pages = Migration(
    "indices for pages",
    sql: """
      DROP INDEX auditOfTenant;
      CREATE INDEX auditOfTenant ON audit (tenant, timeMs);
      CREATE INDEX auditOfTenantAction ON audit (tenant, action, timeMs);
      CREATE INDEX auditOfTenantCaller ON audit (tenant, caller, timeMs);
      CREATE INDEX auditByTime ON audit (timeMs);
      CREATE INDEX auditByAction ON audit (action, timeMs);
      CREATE INDEX auditByCaller ON audit (caller, timeMs);

      DROP INDEX keysOfTenant;
      CREATE INDEX keysOfTenant ON keys (tenant, createdMs, id);
      CREATE INDEX keysByTime ON keys (createdMs, id);

      DROP INDEX uploadsOfTenant;
      CREATE INDEX uploadsOfTenant ON uploads (tenant, createdMs, id);

      CREATE INDEX historyOfPlace ON history (tenant, model, place, number);
      """)
}
