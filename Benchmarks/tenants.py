"""What it costs to know who calls: tenant, key and quota on the hot path."""

import shutil
import statistics

from host import Host
from programs import OUTPUT

TURNS = 8  # of each host, one after the other

# Far beyond what is sent, so that everything is counted and nothing refused.
QUOTA = ["--quota-requests-per-second", "1000000", "--quota-concurrent-requests", "1000",
         "--quota-input-bytes-per-second", str(1 << 32), "--quota-compute-seconds-per-day", "1000000"]


class TenantGroups:
  """The group "tenants" of run.py."""

  def tenants(self):
    """Two hosts in turns: one that asks nobody, and one where a tenant with a key and all quotas sends the same."""
    times = {"off": [], "on": []}
    data = self.folder / "tenants-data"
    with self.tenant_host("off", "identity") as off, self.tenant_host("on", "empty", "--data", data, *QUOTA) as on:
      on.post("/v1/tenants", {"id": "acme"})
      models = data / "tenants" / "acme" / "models"
      if not models.exists():
        shutil.copytree(self.folder / "identity", models)
      on.post("/v2/repository/models/identity/load?tenant=acme", {})
      key = on.post("/v1/keys", {"tenant": "acme"})["key"]
      for turn in range(TURNS):
        for name in ("off", "on") if turn % 2 == 0 else ("on", "off"):
          times[name].append(self.load_with(on if name == "on" else off, key if name == "on" else None))
    shutil.rmtree(data)
    for name, values in times.items():
      self.values[f"tenants.{name}"] = statistics.median(values)

  def tenant_host(self, name: str, models: str, *arguments) -> Host:
    return Host(self.options.stadion, self.folder / f"tenants-{name}.sock", self.folder / models,
                self.manifests["host"], [*map(str, arguments), "--loops", "1"], 0, OUTPUT / "host.log")

  def load_with(self, host: Host, key) -> float:
    extra = [] if key is None else ["--api-key", key]
    return self.load(host, "binary", 0, extra=extra)["p50_us"]
