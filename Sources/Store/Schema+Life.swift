extension Schema {
  /// The rest of a version's life, and lists that cost the same however many versions there are: each index ends with
  /// what pages are ordered by, behind what they are filtered by.
  static let life = Migration(
    "deprecations, gates, lineage",
    sql: """
      ALTER TABLE versions ADD COLUMN tenant TEXT NOT NULL DEFAULT '';
      UPDATE versions SET tenant = (SELECT tenant FROM models WHERE models.id = versions.model);
      CREATE INDEX versionsOfTenant ON versions (tenant, id);
      CREATE INDEX versionsOfStage ON versions (tenant, stage, id);
      CREATE INDEX versionsOfFormat ON versions (tenant, format, id);
      CREATE INDEX versionsOfModel ON versions (model, id);
      -- With what summaries add up.
      CREATE INDEX versionsOfModelStage ON versions (model, stage, id, byteCount);

      ALTER TABLE tags ADD COLUMN tenant TEXT NOT NULL DEFAULT '';
      UPDATE tags SET tenant = (SELECT tenant FROM versions WHERE versions.id = tags.version);
      DROP INDEX versionsOfTag;
      CREATE INDEX versionsOfTag ON tags (tenant, key, value, version);

      -- gates is JSON: what a version must pass before it is promoted.
      ALTER TABLE models ADD COLUMN gates TEXT NOT NULL DEFAULT '{}';

      -- note says more for people: dates, or what gates have seen.
      ALTER TABLE history ADD COLUMN note TEXT;

      -- The successor is of the same model where successorModel is NULL; words, as it may be purged.
      CREATE TABLE deprecations (
        version INTEGER PRIMARY KEY REFERENCES versions ON DELETE CASCADE,
        model INTEGER NOT NULL REFERENCES models ON DELETE CASCADE,
        sinceMs INTEGER NOT NULL,
        sunsetMs INTEGER,
        successorModel TEXT,
        successor TEXT,
        reason TEXT
      ) STRICT;
      CREATE INDEX deprecationsOfModel ON deprecations (model);

      -- What a version was made from: another, or content by its digest; words, as both outlive rows.
      CREATE TABLE parents (
        version INTEGER NOT NULL REFERENCES versions ON DELETE CASCADE,
        position INTEGER NOT NULL,
        tenant TEXT NOT NULL,
        model TEXT,
        label TEXT,
        sha256 TEXT,
        PRIMARY KEY (version, position),
        CHECK ((model IS NULL) = (label IS NULL) AND (model IS NULL) <> (sha256 IS NULL))
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX childrenOfVersion ON parents (tenant, model, label);
      CREATE INDEX childrenOfContent ON parents (tenant, sha256);
      """)
}
