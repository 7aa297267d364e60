#!/usr/bin/env python3
"""Measures the host against its floors, in interleaved rounds, and says which figures are met.

Needs a release build. Writes .stadion/bench/report.json and report.md. Exit code: 0; 1 when something is broken, or
with --check when a limit is missed or a figure with a limit was not measured; 2 for wrong usage.
"""

import argparse
import contextlib
import json
import os
import pathlib
import platform
import resource
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import figures
from engines import EngineGroups
from host import Broken, Host, descendants, memory_mb
from loadgen import LoadgenGroups
from observe import ObserveGroups
from processes import ProcessGroups
from programs import OUTPUT, ROOT, build, program
from quota import QuotaGroups
from registry import RegistryGroups
from runners import copy_manifests
from scale import ScaleGroups
from tenants import TenantGroups

IMAGE = "1,3,224,224"
CASES = {  # name → how load sends it
  "binary": ["--model", "identity", "--echoes"],
  "json": ["--model", "identity", "--json", "--echoes"],
  "image": ["--model", "identity_image", "--shape", IMAGE, "--echoes"],
  "image_json": ["--model", "identity_image", "--shape", IMAGE, "--json", "--echoes"],
  "live": ["--get", "/v2/health/live"],
}


class Bench(ProcessGroups, EngineGroups, ObserveGroups, LoadgenGroups, RegistryGroups, QuotaGroups, TenantGroups,
            ScaleGroups):
  """One run of the benchmark: its folders, its options, and the measurements of the round under way."""

  def __init__(self, options, folder: pathlib.Path):
    self.options = options
    self.folder = folder
    self.seconds = 0.3 if options.quick else 1.5  # of each load; floors take two thirds of it
    self.values: figures.Round = {}
    self.rounds_done = 0
    self.details: list[dict] = []  # for the report: of loads whose answers may be errors, of each start of an engine
    self.complaints: list[str] = []
    self.make_models()
    self.manifests = {isolation: copy_manifests(options.manifests, folder / f"runners-{isolation}", isolation)
                      for isolation in ("host", "process")}

  def make_models(self):
    """A repository with the two identity models, one with basic_pitch, and an empty one."""
    for name in ("identity", "pitch", "empty"):
      (self.folder / name).mkdir()
    for name, shape in (("identity", "-1,16"), ("identity_image", IMAGE)):
      model = self.folder / "identity" / name
      (model / "1").mkdir(parents=True)
      options = {"inputs": f"INPUT0:f32[{shape}]", "outputs": f"OUTPUT0:f32[{shape}]"}
      (model / "model.json").write_text(json.dumps({"format": "echo", "options": options}))
    if self.options.pitch.exists():  # copied, because a repository need not follow links
      shutil.copytree(self.options.pitch.parent.parent, self.folder / "pitch" / "basic_pitch")

  def host(self, *arguments, models="identity", isolation="host", core=None, manifests=None) -> Host:
    """isolation: of all runners. Two hosts may run at once if theirs differ. manifests: others than those of the
    repository."""
    extra = [*arguments, *shlex.split(self.options.serve_arguments)]
    if core is not None:
      extra += ["--loops", "1"]
    return Host(self.options.stadion, self.folder / f"{isolation}.sock", self.folder / models,
                manifests or self.manifests[isolation], extra, core, OUTPUT / "host.log")

  def load(self, host: Host, case: str, core=None, connections=1, extra=()) -> dict:
    processes = [part for pid in descendants(host.process.pid) for part in ("--pid", pid)]
    warm_up = 20 if case == "image_json" else 200 * connections
    pin = [] if core is None else ["--core", core]
    return program("load", "--socket", host.socket, *CASES[case], "--connections", connections, "--seconds",
                   self.seconds, "--warm-up", warm_up, *pin, *processes, *extra)

  def floor(self, name: str, core, *arguments) -> dict:
    return program(name, *arguments, "--seconds", self.seconds * 2 / 3, *([] if core is None else ["--core", core]))

  # One method per group of measurements; each starts its own hosts. The names of values are those in figures.py.

  def against_floors(self, group: str, host: Host, core=None):
    """Each case with its floor right after it."""
    for case in CASES:
      result = self.load(host, case, core)
      self.values |= {f"{group}.{case}": result["p50_us"], f"{group}.{case}_p99": result["p99_us"]}
      if case == "binary":
        self.values[f"{group}.cpu_1"] = result["server_cpu_us_per_request"]
      if case in ("binary", "json", "image"):
        sizes = ["--request", result["request_bytes"], "--response", result["response_bytes"]]
        floor = self.floor("ping", core, *sizes)
        ping = "ping" if case == "binary" else f"{case}_ping"
        self.values |= {f"{group}.{ping}": floor["p50_us"], f"{group}.{ping}_p99": floor["p99_us"]}
    self.values[f"{group}.text"] = self.floor("text", core)["p50_us"]

  def at_concurrency(self, group: str, host: Host):
    for connections in (8, 64):
      result = self.load(host, "binary", connections=connections)
      self.values[f"{group}.cpu_{connections}"] = result["server_cpu_us_per_request"]
      self.values[f"{group}.rate_{connections}"] = result["requests_per_second"]

  def one_core(self):
    with self.host(core=0) as host:
      self.against_floors("one_core", host, core=0)
    with self.host("--inline-run-micros", "0", core=0) as host:
      self.values["hop.one_core"] = self.load(host, "binary", core=0)["p50_us"]

  def free(self):
    with self.host() as host:
      self.against_floors("free", host)
      self.at_concurrency("free", host)
      self.values["free.idle_share"] = host.cpu_share(self.seconds)
    with self.host("--inline-run-micros", "0") as host:
      self.values["hop.free"] = self.load(host, "binary")["p50_us"]

  def two_cores(self):
    """Host on core 0, client on core 1: what "free" measures when the scheduler happens to part them."""
    if len(os.sched_getaffinity(0)) < 2:
      return
    with self.host(core=0) as host:
      result = self.load(host, "binary", core=1)
      self.values |= {"two_cores.binary": result["p50_us"], "two_cores.cpu_1": result["server_cpu_us_per_request"]}
      sizes = ["--request", result["request_bytes"], "--response", result["response_bytes"]]
      self.values["two_cores.ping"] = self.floor("ping", 1, "--other-core", 0, *sizes)["p50_us"]
    with self.host("--busy-poll-micros", "50", core=0) as host:
      result = self.load(host, "binary", core=1)
      self.values |= {"two_cores.busy": result["p50_us"], "two_cores.busy_cpu_1": result["server_cpu_us_per_request"]}

  def busy(self):
    with self.host("--busy-poll-micros", "50") as host:
      result = self.load(host, "binary")
      self.values |= {"busy.binary": result["p50_us"], "busy.cpu_1": result["server_cpu_us_per_request"]}
      self.at_concurrency("busy", host)
      self.values["busy.idle_share"] = host.cpu_share(self.seconds)

  def pitch(self):
    """Needs the model and the engine's library; without them the figure is not measured."""
    if not self.options.pitch.exists() or self.options.ort_library is None:
      return
    with self.host(models="pitch") as host:
      status, _ = host.ask("/v2/models/basic_pitch/ready")
      if status != 200:
        raise Broken(f"basic_pitch is not ready ({status}):\n{host.last_words()}")
      here = ["--library", self.options.ort_library, "--model", self.options.pitch]
      there = ["--socket", host.socket, "--name", "basic_pitch"]
      result = program("ort_inprocess", *here, *there, "--runs", 15 if self.options.quick else 80)
    self.values |= {"pitch.in_process": result["in_process"]["p50_us"], "pitch.host": result["host"]["p50_us"]}

  def alone(self):
    starts = []
    for _ in range(5):
      with self.host(models="empty") as host:
        starts.append(host.ready_ms)
        memory = memory_mb(host.process.pid)
    self.values |= {"alone.ready": statistics.median(starts), "alone.rss": memory["VmRSS"],
                    "alone.anonymous": memory["RssAnon"]}

  def idle(self):
    with self.host(core=0) as host:
      self.values["idle.without"] = self.load(host, "binary", core=0)["p50_us"]
      command = [OUTPUT / "idle", "--socket", host.socket, "--pid", str(host.process.pid), "--connections",
                 str(self.options.idle_connections)]
      # Its standard input ends with the block, and with it the idle connections.
      pipes = {name: subprocess.PIPE for name in ("stdin", "stdout", "stderr")}
      with subprocess.Popen(command, text=True, **pipes) as idle:
        line = idle.stdout.readline()
        if not line:
          raise Broken(f"idle connections: {idle.stderr.read().strip()}")
        self.values["idle.bytes"] = json.loads(line)["bytes_per_connection"]
        self.values["idle.with"] = self.load(host, "binary", core=0)["p50_us"]

  def round(self) -> tuple[figures.Round, list[str]]:
    """All groups once. What is broken is said and does not keep the others from being measured."""
    self.values = {}
    problems = []
    for group in self.options.only:
      try:
        getattr(self, group)()
      except (Broken, OSError, subprocess.SubprocessError, ValueError) as error:
        problems.append(f"{group}: {error}")
        print(f"bench: {problems[-1]}", file=sys.stderr)
    self.rounds_done += 1
    return self.values, problems


# Of two groups' methods with one name, only one would ever be called.
NAMES = [name for base in Bench.__bases__ for name, value in vars(base).items() if callable(value)]
assert len(NAMES) == len(set(NAMES)), sorted(name for name in set(NAMES) if NAMES.count(name) > 1)

GROUPS = ["one_core", "two_cores", "free", "busy", "pitch", "alone", "idle", "process", "crash", "chaos", "replace",
          "engines", "observe", "loadgen", "registry", "quota", "tenants", "scale"]


def parse_options():
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument("--quick", action="store_true", help="one short round: does everything work?")
  parser.add_argument("--check", action="store_true", help="exit code 1 when a limit is missed")
  parser.add_argument("--rounds", type=int, help="5, with --quick 1")
  parser.add_argument("--only", default=",".join(GROUPS), help="groups with commas between them: %(default)s")
  parser.add_argument("--stadion", type=pathlib.Path, default=ROOT / ".build/release/stadion")
  parser.add_argument("--manifests", type=pathlib.Path, default=ROOT / "runner-manifests",
                      help="a folder; where its runners run is each group's choice")
  parser.add_argument("--pitch", type=pathlib.Path, default=ROOT / ".stadion/models/basic_pitch/1/model.onnx")
  parser.add_argument("--ort-library", type=pathlib.Path, help="libonnxruntime.so; otherwise searched for in .stadion")
  parser.add_argument("--idle-connections", type=int, help="10000, with --quick 500")
  parser.add_argument("--serve-arguments", default="", help="more arguments for every `stadion serve`")
  options = parser.parse_args()
  options.only = options.only.split(",")
  if unknown := set(options.only) - set(GROUPS):
    parser.error(f"no group {', '.join(sorted(unknown))}; there are {', '.join(GROUPS)}")
  options.rounds = options.rounds or (1 if options.quick else 5)
  options.idle_connections = options.idle_connections or (500 if options.quick else 10000)
  options.ort_library = options.ort_library or next(iter(sorted((ROOT / ".stadion").rglob("libonnxruntime.so*"))), None)
  if not options.stadion.exists():
    parser.error(f"no {options.stadion}; build it with: swift build -c release")
  return options


def machine() -> dict:
  models = [line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")]
  return {"cpu": models[0] if models else platform.machine(), "cores": os.cpu_count(), "kernel": platform.release(),
          "load_before": os.getloadavg()[0], "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}


def main() -> int:
  options = parse_options()
  limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
  resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))  # for the host and for what opens idle connections
  about = machine()
  if about["load_before"] > 0.5:
    print(f"bench: the machine is busy (load {about['load_before']:.1f}); figures will be worse", file=sys.stderr)
  build()
  (OUTPUT / "host.log").unlink(missing_ok=True)
  rounds, problems = [], []
  with tempfile.TemporaryDirectory(prefix="stadion-bench-") as folder, contextlib.suppress(KeyboardInterrupt):
    bench = Bench(options, pathlib.Path(folder))
    for index in range(options.rounds):
      begin = time.monotonic()
      values, failed = bench.round()
      rounds.append(values)
      problems += failed
      print(f"bench: round {index + 1} of {options.rounds}, {time.monotonic() - begin:.0f} s", file=sys.stderr)

  rows = figures.judge_all(rounds, options.only)
  title = f"{about['cores']} × {about['cpu']}, Linux {about['kernel']}, rounds: {len(rounds)}, medians (min–max)"
  text = f"{title}\n\n{figures.table(rows)}\n"
  print(text)
  (OUTPUT / "report.md").write_text(f"# Benchmark\n\n{text}")
  report = {"machine": about, "options": {key: str(value) for key, value in vars(options).items()}, "figures": rows,
            "rounds": rounds, "problems": problems, "loads": bench.details}
  (OUTPUT / "report.json").write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")
  for complaint in bench.complaints:
    print(f"bench: {complaint}", file=sys.stderr)
  missed = [row["figure"] for row in rows if row["verdict"] in ("FAIL", "not measured")]
  if missed:
    print(f"bench: missed or not measured: {'; '.join(missed)}", file=sys.stderr)
  return 1 if problems or (options.check and missed) else 0


if __name__ == "__main__":
  sys.exit(main())
