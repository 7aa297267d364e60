extension Schema {
  static let quotas = Migration(
    "quotas",
    sql: """
      -- What was set for one tenant alone; all others have what the configuration says.
      CREATE TABLE quotaLimits (
        tenant TEXT NOT NULL REFERENCES tenants ON DELETE CASCADE,
        name TEXT NOT NULL,
        value INTEGER NOT NULL,
        PRIMARY KEY (tenant, name)
      ) STRICT, WITHOUT ROWID;

      -- Of one day, in days since 1970-01-01, UTC.
      CREATE TABLE quotaUsage (
        tenant TEXT PRIMARY KEY REFERENCES tenants ON DELETE CASCADE,
        day INTEGER NOT NULL,
        requests INTEGER NOT NULL,
        refusals INTEGER NOT NULL,
        inputBytes INTEGER NOT NULL,
        computeNs INTEGER NOT NULL
      ) STRICT, WITHOUT ROWID;

      -- What a tenant has registered, so that nobody needs to add it up; triggers keep it.
      CREATE TABLE stored (
        tenant TEXT PRIMARY KEY,
        byteCount INTEGER NOT NULL,
        modelCount INTEGER NOT NULL
      ) STRICT, WITHOUT ROWID;
      INSERT INTO stored
        SELECT tenant,
          (SELECT coalesce(sum(byteCount), 0) FROM versions JOIN models AS m ON model = m.id
            WHERE m.tenant = models.tenant),
          count(*)
        FROM models GROUP BY tenant;

      CREATE TRIGGER modelComes AFTER INSERT ON models BEGIN
        INSERT INTO stored SELECT NEW.tenant, 0, 0 WHERE NOT EXISTS (SELECT 1 FROM stored WHERE tenant = NEW.tenant);
        UPDATE stored SET modelCount = modelCount + 1 WHERE tenant = NEW.tenant;
      END;
      -- Before: its versions go with it, and then nothing says whose they were.
      CREATE TRIGGER modelGoes BEFORE DELETE ON models BEGIN
        UPDATE stored SET modelCount = modelCount - 1,
          byteCount = byteCount - (SELECT coalesce(sum(byteCount), 0) FROM versions WHERE model = OLD.id)
        WHERE tenant = OLD.tenant;
      END;
      CREATE TRIGGER versionComes AFTER INSERT ON versions BEGIN
        UPDATE stored SET byteCount = byteCount + NEW.byteCount
        WHERE tenant = (SELECT tenant FROM models WHERE id = NEW.model);
      END;
      CREATE TRIGGER versionGoes AFTER DELETE ON versions BEGIN
        UPDATE stored SET byteCount = byteCount - OLD.byteCount
        WHERE tenant = (SELECT tenant FROM models WHERE id = OLD.model);
      END;
      """)
}
