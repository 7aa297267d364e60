"""Many models and tenants: what a request costs among them, how soon they are ready, what they weigh, what a list of
them and a change of one costs."""

import json
import socket
import statistics
import threading
import time

from host import Broken, Host, memory_mb
from programs import OUTPUT, program

STARTS = 3  # where memory comes to lie differs from start to start, and with it what a request among many models costs
TURNS = 5  # of each host in a start, one after the other
CONNECTIONS = 1000  # in both hosts: what is compared is models and tenants
CHANGES = 20
LISTS = 10
READY_SECONDS = 120
ECHO_MODEL = json.dumps({"format": "echo", "options": {"inputs": "INPUT0:f32[-1,16]", "outputs": "OUTPUT0:f32[-1,16]"}})


def make_model(folder, number: int):
  model = folder / f"model_{number:05}"
  (model / "1").mkdir(parents=True)
  (model / "model.json").write_text(ECHO_MODEL)


class ScaleGroups:
  """The group "scale" of run.py."""

  def scale(self):
    models, tenants = (1000, 100) if self.options.quick else (10000, 1000)
    if not (self.folder / "scale-many").exists():
      self.make_scale("many", models, tenants)
      self.make_scale("few", 10, 1)
      for number in range(models):
        make_model(self.folder / "scale-wide", number)
    times = {"few": [], "many": []}
    for _ in range(1 if self.options.quick else STARTS):
      with self.scale_host("few") as few, self.scale_host("many") as many:
        for turn in range(TURNS):
          for name in ("few", "many") if turn % 2 == 0 else ("many", "few"):
            host, count = (few, 10) if name == "few" else (many, models)
            times[name].append(self.spread(host, name, count, rounds=6 if turn == 0 else 1))
        self.values["scale.tenants_ready"] = many.ready_ms / 1e3
    for name, values in times.items():
      self.values[f"scale.{name}"] = statistics.median(values)
    with self.scale_host("wide") as wide:
      self.values["scale.ready"] = wide.ready_ms / 1e3
      with self.own_host("alone", models="empty") as alone:
        mb = memory_mb(wide.process.pid)["VmRSS"] - memory_mb(alone.process.pid)["VmRSS"]
      self.values["scale.kb_per_model"] = mb * 1024 / models
      self.list_and_change(wide, models)

  def scale_host(self, name: str) -> Host:
    """One loop on the first core; `wide`, whose start counts, where it likes."""
    if name == "wide":
      return self.own_host("scale-wide", models="scale-wide", ready_seconds=READY_SECONDS)
    return self.own_host(f"scale-{name}", "--data", str(self.folder / f"scale-{name}"), core=0, models="empty",
                         ready_seconds=READY_SECONDS)

  def spread(self, host: Host, name: str, models: int, rounds: int) -> float:
    keys = self.folder / f"scale-{name}.keys"
    connections = CONNECTIONS // (10 if self.options.quick else 1)
    result = program("spread", "--socket", host.socket, "--models", models, "--keys", keys, "--connections",
                     connections, "--seconds", self.seconds, "--rounds", rounds, "--core", 0)
    return result["p50_us"]

  def make_scale(self, name: str, models: int, tenants: int):
    """Tenants with a key each, made by a host; then their models."""
    data, keys = self.folder / f"scale-{name}", []
    with self.scale_host(name) as host:
      for number in range(tenants):
        tenant = f"t{number:03}"
        self.made(host, "/v1/tenants", {"id": tenant})
        keys.append(self.made(host, "/v1/keys", {"tenant": tenant, "role": "infer"})["key"])
    (self.folder / f"scale-{name}.keys").write_text("".join(key + "\n" for key in keys))
    for number in range(models):
      make_model(data / "tenants" / f"t{number % tenants:03}" / "models", number)

  @staticmethod
  def made(host: Host, target: str, body: dict) -> dict:
    status, answer = host.ask(target, body)
    if status != 200:
      raise Broken(f"{target}: {status} {answer.decode(errors='replace')}")
    return json.loads(answer)

  def list_and_change(self, host: Host, models: int):
    """The index of all, what others wait for meanwhile, and one model that goes and comes."""
    lists, waits, stop = [], [], threading.Event()
    probe = threading.Thread(target=self.probe, args=(host, waits, stop))
    probe.start()
    for _ in range(LISTS):
      begin = time.monotonic()
      rows = json.loads(host.ask("/v2/repository/index", {"ready": True})[1])
      lists.append((time.monotonic() - begin) * 1e3)
      if len(rows) != models:
        raise Broken(f"the index has {len(rows)} models instead of {models}")
    stop.set()
    probe.join()
    self.values |= {"scale.index": statistics.median(lists), "scale.index_wait": max(waits)}
    changes = {"unload": [], "load": []}
    for _ in range(CHANGES):
      for verb in changes:
        begin = time.monotonic()
        status, answer = host.ask(f"/v2/repository/models/model_00007/{verb}", {"parameters": {}})
        changes[verb].append((time.monotonic() - begin) * 1e3)
        if status != 200:
          raise Broken(f"{verb}: {status} {answer.decode(errors='replace')}")
    for verb, taken in changes.items():
      self.values[f"scale.{verb}"] = statistics.median(taken)

  @staticmethod
  def probe(host: Host, waits: list, stop: threading.Event):
    """Asks whether a model is ready, again and again."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
      client.settimeout(10)
      client.connect(host.socket)
      while not stop.is_set():
        begin = time.monotonic()
        client.sendall(b"GET /v2/models/model_00001/ready HTTP/1.1\r\nHost: localhost\r\n\r\n")
        client.recv(4096)
        waits.append((time.monotonic() - begin) * 1e3)
        time.sleep(0.001)
