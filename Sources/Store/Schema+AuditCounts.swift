extension Schema {
  /// Rows of the audit that stand for several requests: how many, from `sinceMs` to `timeMs`.
  static let auditCounts = Migration(
    "counts in the audit",
    sql: """
      ALTER TABLE audit ADD COLUMN count INTEGER NOT NULL DEFAULT 1;
      ALTER TABLE audit ADD COLUMN sinceMs INTEGER;
      """)
}
