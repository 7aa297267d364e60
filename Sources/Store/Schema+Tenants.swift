extension Schema {
  /// Times are milliseconds since 1970. Roles: infer, publish, admin; each may do what those before it may.
  static let tenants = Migration(
    "tenants, keys, audit",
    sql: """
      CREATE TABLE tenants (
        id TEXT PRIMARY KEY,
        createdMs INTEGER NOT NULL
      ) STRICT, WITHOUT ROWID;
      INSERT INTO tenants VALUES ('default', 0);

      -- Who is who on the Unix socket.
      CREATE TABLE users (
        kind TEXT NOT NULL CHECK (kind IN ('uid', 'gid')),
        number INTEGER NOT NULL,
        tenant TEXT NOT NULL REFERENCES tenants ON DELETE CASCADE,
        role TEXT NOT NULL CHECK (role IN ('infer', 'publish', 'admin')),
        PRIMARY KEY (kind, number)
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX usersOfTenant ON users (tenant);

      -- `digest` is the SHA-256 of the key, which is nowhere.
      CREATE TABLE keys (
        id TEXT PRIMARY KEY,
        tenant TEXT NOT NULL REFERENCES tenants ON DELETE CASCADE,
        role TEXT NOT NULL CHECK (role IN ('infer', 'publish', 'admin')),
        digest BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),
        label TEXT NOT NULL,
        createdMs INTEGER NOT NULL,
        expiresMs INTEGER,
        revokedMs INTEGER
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX keysOfTenant ON keys (tenant);

      CREATE TABLE audit (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        timeMs INTEGER NOT NULL,
        tenant TEXT NOT NULL,
        caller TEXT NOT NULL,
        origin TEXT NOT NULL,
        action TEXT NOT NULL,
        subject TEXT NOT NULL,
        requestID TEXT NOT NULL
      ) STRICT;
      CREATE INDEX auditOfTenant ON audit (tenant, number);
      CREATE TRIGGER auditStays BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'audit only grows'); END;
      CREATE TRIGGER auditKeeps BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'audit only grows'); END;
      """)
}
