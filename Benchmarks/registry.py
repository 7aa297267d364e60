"""What lists of the registry cost where there are many versions."""

import contextlib
import json
import pathlib
import sqlite3

from host import Broken, Host
from programs import OUTPUT, program

MODELS = 100
VERSIONS = 1000  # of each
TENANTS = 10  # whose versions lie between each other's; the first one asks
PAGE = 100
# Bytes as a model with four tensors brings them.
TENSOR = {"name": "a_tensor_with_a_name", "datatype": "FP32", "shape": [-1, 43844, 1]}
SIGNATURE = json.dumps({"runner": "org.stadion.onnxruntime", "inputs": [TENSOR], "outputs": [TENSOR] * 3})
METADATA = json.dumps({"accuracy": 0.913, "dataset": "somewhere/2026-01", "commit": "4f2c1e" * 6})
LISTS = {  # name → query of a page
  "page": "",
  "deep": "&cursor=10000",  # 90,000 versions were registered later
  "model": "&model=model_42",
  "stage": "&stage=archived",
  "format": "&format=tflite",
  "tag": "&tag=git=7",
  "all_filters": "&model=model_42&stage=archived&format=onnx&tag=by=training",
}


class RegistryGroups:
  """The group "registry" of run.py."""

  def registry(self):
    data = self.folder / "registry"
    if not data.exists():
      with self.registry_host(data):
        pass  # which makes the database
      self.fill(data / "stadion.db")
    with self.registry_host(data) as host:
      for name, query in LISTS.items():
        path = f"/v1/versions?limit={PAGE}{query}"
        self.check(host, name, path)
        arguments = ["--get", path, "--connections", 1, "--seconds", self.seconds / 3, "--warm-up", 20]
        result = program("load", "--socket", host.socket, *arguments)
        self.values |= {f"registry.{name}": result["p50_us"] / 1e3, f"registry.{name}_p99": result["p99_us"] / 1e3}
      filtered = [self.values[f"registry.{name}"] for name in LISTS if name not in ("page", "deep")]
      self.values["registry.filtered"] = max(filtered)
      summary = program("load", "--socket", host.socket, "--get", f"/v1/registry?limit={PAGE}", "--connections", 1,
                        "--seconds", self.seconds / 3, "--warm-up", 5)
      self.values["registry.summary"] = summary["p50_us"] / 1e3

  def registry_host(self, data: pathlib.Path) -> Host:
    return Host(self.options.stadion, self.folder / "registry.sock", self.folder / "empty", self.manifests["host"],
                ["--data", str(data)], None, OUTPUT / "host.log", 120)

  def check(self, host: Host, name: str, path: str):
    status, body = host.ask(path)
    count = len(json.loads(body).get("versions", [])) if status == 200 else 0
    wanted = range(1, PAGE) if name == "all_filters" else [PAGE]
    if count not in wanted:
      raise Broken(f"{path}: {status}, {count} versions: {body[:300].decode(errors='replace')}")

  def fill(self, database: pathlib.Path):
    """As registering them would; nothing of them is served, as they have no files."""
    with contextlib.closing(sqlite3.connect(database)) as db, db:
      db.execute("PRAGMA foreign_keys = ON")
      tenants = ["default", *(f"tenant-{number}" for number in range(1, TENANTS))]
      db.executemany("INSERT INTO tenants (id, createdMs) VALUES (?, 0) ON CONFLICT DO NOTHING",
                     [(tenant,) for tenant in tenants])
      rows = [(tenant, f"model_{number}" + ("" if tenant == "default" else f"_of_{tenant}"), "{}")
              for tenant in tenants for number in range(MODELS)]
      db.executemany("INSERT INTO models (tenant, name, createdMs, settings) VALUES (?, ?, 0, ?)", rows)
      models = db.execute("SELECT id, tenant FROM models ORDER BY name").fetchall()
      rows, tags = [], []
      for number in range(1, VERSIONS + 1):
        for model, tenant in models:
          # The asking tenant has VERSIONS of each, the others together as many again.
          if tenant != "default" and number % (TENANTS - 1) != 0:
            continue
          stage = "archived" if number % 10 == 0 else "development"
          rows.append((len(rows) + 1, tenant, model, str(number), number, stage, 1_700_000_000_000 + number, "uid:0",
                       "tflite" if number % 3 == 0 else "onnx", 1 << 20, SIGNATURE, METADATA))
          tags += [(len(rows), "git", str(number % 50), tenant), (len(rows), "by", "training", tenant)]
      db.executemany(
        "INSERT INTO versions (id, tenant, model, label, number, stage, createdMs, createdBy, format, byteCount,"
        " signature, metadata) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
      db.executemany("INSERT INTO history (timeMs, tenant, model, action, version, caller) SELECT createdMs, tenant, "
                     "(SELECT name FROM models WHERE id = versions.model), 'register', label, createdBy FROM versions "
                     "WHERE id = ?", [(row[0],) for row in rows])
      db.executemany("INSERT INTO tags (version, key, value, tenant) VALUES (?, ?, ?, ?)", tags)
