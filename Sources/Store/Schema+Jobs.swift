extension Schema {
  /// Times are milliseconds since 1970. `request` is what is wanted, as JSON; `startCount` tells how often it was begun,
  /// as a host that ends begins it anew. `label` is the version that came of it, `error` and `code` say why none did.
  static let jobs = Migration(
    "jobs, origins of files",
    sql: """
      CREATE TABLE jobs (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        tenant TEXT NOT NULL REFERENCES tenants ON DELETE CASCADE,
        kind TEXT NOT NULL CHECK (kind IN ('register')),
        createdMs INTEGER NOT NULL,
        createdBy TEXT NOT NULL,
        model TEXT NOT NULL,
        request TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled')),
        startCount INTEGER NOT NULL DEFAULT 0,
        endedMs INTEGER,
        byteCount INTEGER,
        label TEXT,
        error TEXT,
        code TEXT
      ) STRICT;
      CREATE INDEX jobsOfTenant ON jobs (tenant, number);

      -- Where content can be fetched again.
      CREATE TABLE origins (
        version INTEGER NOT NULL REFERENCES versions ON DELETE CASCADE,
        path TEXT NOT NULL,
        uri TEXT NOT NULL,
        PRIMARY KEY (version, path)
      ) STRICT, WITHOUT ROWID;
      """)
}
