extension Schema {
  /// Times are milliseconds since 1970. A version's `number` is its folder's name and what its label stands for, if that
  /// is a number; other labels get numbers from 9e17 on.
  static let registry = Migration(
    "uploads, models, versions",
    sql: """
      CREATE TABLE uploads (
        id TEXT PRIMARY KEY,
        tenant TEXT NOT NULL REFERENCES tenants ON DELETE CASCADE,
        createdMs INTEGER NOT NULL,
        byteCount INTEGER,
        sha256 TEXT
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX uploadsOfTenant ON uploads (tenant);

      -- settings is its model.json.
      CREATE TABLE models (
        id INTEGER PRIMARY KEY,
        tenant TEXT NOT NULL REFERENCES tenants,
        name TEXT NOT NULL,
        createdMs INTEGER NOT NULL,
        settings TEXT NOT NULL,
        UNIQUE (tenant, name)
      ) STRICT;

      -- signature and metadata are JSON: what it takes and gives, and what people say of it.
      CREATE TABLE versions (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        model INTEGER NOT NULL REFERENCES models ON DELETE CASCADE,
        label TEXT NOT NULL,
        number INTEGER NOT NULL,
        stage TEXT NOT NULL CHECK (stage IN ('development', 'staging', 'production', 'archived')),
        createdMs INTEGER NOT NULL,
        createdBy TEXT NOT NULL,
        format TEXT NOT NULL,
        byteCount INTEGER NOT NULL,
        signature TEXT NOT NULL,
        metadata TEXT NOT NULL,
        UNIQUE (model, label),
        UNIQUE (model, number)
      ) STRICT;
      CREATE UNIQUE INDEX placeOfStage ON versions (model, stage) WHERE stage IN ('staging', 'production');

      CREATE TABLE files (
        version INTEGER NOT NULL REFERENCES versions ON DELETE CASCADE,
        path TEXT NOT NULL,
        sha256 TEXT NOT NULL,
        byteCount INTEGER NOT NULL,
        PRIMARY KEY (version, path)
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX filesOfContent ON files (sha256);

      CREATE TABLE tags (
        version INTEGER NOT NULL REFERENCES versions ON DELETE CASCADE,
        key TEXT NOT NULL,
        value TEXT NOT NULL,
        PRIMARY KEY (version, key)
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX versionsOfTag ON tags (key, value);

      CREATE TABLE aliases (
        model INTEGER NOT NULL REFERENCES models ON DELETE CASCADE,
        alias TEXT NOT NULL,
        version INTEGER NOT NULL REFERENCES versions,
        PRIMARY KEY (model, alias)
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX aliasesOfVersion ON aliases (version);

      -- place is the stage or alias whose version has changed from replaced to version; labels, as they outlive rows.
      CREATE TABLE history (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        timeMs INTEGER NOT NULL,
        tenant TEXT NOT NULL,
        model TEXT NOT NULL,
        action TEXT NOT NULL,
        place TEXT,
        version TEXT,
        replaced TEXT,
        caller TEXT NOT NULL
      ) STRICT;
      CREATE INDEX historyOfModel ON history (tenant, model, number);
      CREATE TRIGGER historyStays BEFORE UPDATE ON history BEGIN SELECT RAISE(ABORT, 'history only grows'); END;
      CREATE TRIGGER historyKeeps BEFORE DELETE ON history BEGIN SELECT RAISE(ABORT, 'history only grows'); END;
      """)
}
