"""What quotas are worth: how exactly a rate is kept, and how run time is shared while one tenant floods the host."""

import json
import time

from host import Broken, Host, cpu_seconds
from programs import program, Program
from runners import copy_manifests

LIMIT = 500  # requests a second
OFFERED = 5000
ACCURACY_SECONDS = 20
FAIR_SECONDS = 5
SLOTS = 2  # runs of all models at once
RUN_MS = 5
CALM_CONNECTIONS = 4
FLOOD_CONNECTIONS = 10 * CALM_CONNECTIONS
TENANTS = {"calm": CALM_CONNECTIONS, "flood": FLOOD_CONNECTIONS}


class QuotaGroups:
  """The group "quota" of run.py."""

  def quota(self):
    self.accuracy()
    self.fair_share()
    self.fair_cores()

  def accuracy(self):
    """Answers with 200 of an open load ten times the limit, to the limit; the first burst is in them."""
    seconds = 3 if self.options.quick else ACCURACY_SECONDS
    with self.host("--quota-requests-per-second", LIMIT) as host:
      result = program("steady", "--socket", host.socket, "--model", "identity", "--rate", OFFERED, "--seconds", seconds,
                       "--warm-up", 0)
    refused = result["requests"] - result["200"] - result["429"]
    if refused or result["wrong"]:
      raise Broken(f"neither 200 nor 429, or a wrong body: {result}")
    self.values |= {"quota.admitted": result["200"] / seconds,
                    "quota.error": abs(result["200"] / (LIMIT * seconds) - 1) * 100}

  def fair_share(self):
    """Two tenants of weight 1, each with a model of its own whose runs take 5 ms; one offers ten times the load."""
    data = self.slow_models("sleep", {"sleep_ms": str(RUN_MS)})
    with self.host("--data", data, "--concurrent-runs", SLOTS, models="empty") as host:
      took, seconds = self.flooded(host, lambda tenant: self.run_seconds(host, tenant))
    self.values |= {"quota.flood_share": took["flood"] / sum(took.values()) * 100,
                    "quota.calm_share": took["calm"] / sum(took.values()) * 100,
                    "quota.run_seconds": sum(took.values()) / seconds}

  def fair_cores(self):
    """The same of a host as it is by default, whose runs compute for 5 ms: the time that each tenant's process has of
    the cores."""
    data = self.slow_models("compute", {})
    manifests = copy_manifests(self.manifests["process"], self.folder / "runners-computing", "process")
    path = manifests / "echo.runner.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"options": {"delay_ns": str(RUN_MS * 1_000_000)}}))
    with self.host("--data", data, "--runners", "org.stadion.echo", models="empty", isolation="process",
                   manifests=manifests) as host:
      took, _ = self.flooded(host, lambda tenant: cpu_seconds(host.tenant_processes()[tenant]))
    self.values |= {"quota.calm_cores": took["calm"] / sum(took.values()) * 100,
                    "quota.flood_cores": took["flood"] / sum(took.values()) * 100}

  def slow_models(self, name: str, more: dict):
    data = self.folder / f"quota-{name}-{self.rounds_done}"
    for tenant in TENANTS:
      model = data / "tenants" / tenant / "models" / "slow"
      (model / "1").mkdir(parents=True)
      options = {"inputs": "INPUT0:f32[-1,16]", "outputs": "OUTPUT0:f32[-1,16]"} | more
      (model / "model.json").write_text(json.dumps({"format": "echo", "options": options}))
    return data

  def flooded(self, host: Host, spent):
    """What each tenant has spent while both ask, and in how many seconds."""
    requests = {tenant: self.request_of(host, tenant) for tenant in TENANTS}
    for tenant in TENANTS:
      self.wait_for_model(host, requests[tenant])
    seconds = 1 if self.options.quick else FAIR_SECONDS
    with self.flood(host, requests, "calm", seconds) as calm, self.flood(host, requests, "flood", seconds) as flood:
      time.sleep(0.5)  # until both have their connections
      before = {tenant: spent(tenant) for tenant in TENANTS}
      time.sleep(seconds)
      after = {tenant: spent(tenant) for tenant in TENANTS}
      calm.result()
      flood.result()
    return {tenant: after[tenant] - before[tenant] for tenant in TENANTS}, seconds

  def request_of(self, host: Host, tenant: str):
    """A file with an inference of a tenant, who is made for it, with its key."""
    host.post("/v1/tenants", {"id": tenant})
    key = host.post("/v1/keys", {"tenant": tenant, "role": "infer"})["key"]
    tensor = {"name": "INPUT0", "datatype": "FP32", "shape": [1, 16], "data": list(range(16))}
    body = json.dumps({"inputs": [tensor]})
    path = self.folder / f"{tenant}.http"
    path.write_text(f"POST /v2/models/slow/infer HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n"
                    f"Content-Length: {len(body)}\r\n\r\n{body}")
    return path

  def wait_for_model(self, host: Host, request):
    """`load` ends at a first answer that isn't 200."""
    end = time.monotonic() + 10
    while True:
      try:
        return program("load", "--socket", host.socket, "--request", request, "--requests", 1, "--warm-up", 0)
      except Broken:
        if time.monotonic() > end:
          raise
        time.sleep(0.05)

  def flood(self, host: Host, requests: dict, tenant: str, seconds: float) -> Program:
    connections = TENANTS[tenant]
    return Program("load", "--socket", host.socket, "--request", requests[tenant], "--connections", connections,
                   "--seconds", seconds + 1.5, "--warm-up", connections, seconds=seconds)

  def run_seconds(self, host: Host, tenant: str) -> float:
    status, answer = host.ask(f"/v1/tenants/{tenant}/quota")
    if status != 200:
      raise Broken(f"quota of {tenant}: {status} {answer.decode(errors='replace')}")
    return json.loads(answer)["today"]["computeSeconds"]
