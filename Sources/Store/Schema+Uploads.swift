extension Schema {
  static let uploads = Migration(
    "uploads kept in storage",
    sql: """
      -- Whether uri is where the host itself has put an upload; else the version was registered from there.
      ALTER TABLE origins ADD COLUMN isUpload INTEGER NOT NULL DEFAULT 0;

      -- What the host has put into storage, or is about to, and no version may need: it is to be deleted there.
      CREATE TABLE looseObjects (
        uri TEXT PRIMARY KEY,
        sha256 TEXT NOT NULL
      ) STRICT, WITHOUT ROWID;
      """)
}
