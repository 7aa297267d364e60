extension Schema {
  static let approvals = Migration(
    "approvals",
    sql: """
      -- Of a version as it is: its row is never used again, even where its label is. `role` is the caller's at that time.
      CREATE TABLE approvals (
        version INTEGER NOT NULL REFERENCES versions ON DELETE CASCADE,
        stage TEXT NOT NULL CHECK (stage IN ('staging', 'production')),
        caller TEXT NOT NULL,
        role TEXT NOT NULL CHECK (role IN ('publish', 'admin')),
        timeMs INTEGER NOT NULL,
        note TEXT,
        PRIMARY KEY (version, stage, caller)
      ) STRICT, WITHOUT ROWID;

      -- Who has made a key, and the one that it took the place of; NULL where nobody knows any more.
      ALTER TABLE keys ADD COLUMN createdBy TEXT;
      ALTER TABLE keys ADD COLUMN rotatedFrom TEXT;
      UPDATE keys SET createdBy = entry.caller
        FROM (SELECT caller, substr(subject, 1, 12) AS id FROM audit WHERE action = 'key.add') AS entry
        WHERE entry.id = keys.id;
      UPDATE keys SET createdBy = entry.caller, rotatedFrom = entry.former
        FROM (SELECT caller, substr(subject, 1, 12) AS former, substr(subject, 14) AS id FROM audit
          WHERE action = 'key.rotate') AS entry
        WHERE entry.id = keys.id;
      """)
}
