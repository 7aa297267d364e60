"""The load generator of `stadion bench` beside the one in C, against the same server that only echoes."""

import json
import statistics
import subprocess

from host import Broken
from programs import Program, program

TURNS = 6  # of each generator, one after the other
BENCH_SECONDS = 60


class LoadgenGroups:
  """The group "loadgen" of run.py."""

  def loadgen(self):
    path = self.folder / "loadgen.sock"
    path.unlink(missing_ok=True)
    with Program("echo", "--socket", path) as server:
      if server.process.stdout.readline() != "{}\n":
        raise Broken(f"the echo server doesn't listen: {server.process.stderr.read().strip()}")
      for connections in (1, 64):
        times, rates = {"bench": [], "c": []}, {"bench": [], "c": []}
        for turn in range(TURNS):
          for name in ("bench", "c") if turn % 2 == 0 else ("c", "bench"):
            measure = self.bench_load if name == "bench" else self.c_load
            time, rate = measure(path, connections)
            times[name].append(time)
            rates[name].append(rate)
        for name in times:
          self.values[f"loadgen.{name}_{connections}"] = statistics.median(times[name])
          self.values[f"loadgen.{name}_rate_{connections}"] = statistics.median(rates[name])
      # Limits are upper bounds.
      self.values["loadgen.per_request_64"] = 1e6 / self.values["loadgen.bench_rate_64"]

  def bench_load(self, path, connections: int) -> tuple[float, float]:
    command = [self.options.stadion, "bench", "identity", "--direct", "--socket", path, "--concurrency", connections,
               "--duration", self.seconds, "--rounds", 1, "--warm-up", 0.1, "--json", "-"]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=BENCH_SECONDS)
    if done.returncode != 0:
      raise Broken(f"stadion bench: {done.stderr.strip()}")
    load = json.loads(done.stdout)["runners"][0]["loads"][0]
    return load["latencyNs"]["p50"] / 1e3, load["throughput"]

  def c_load(self, path, connections: int) -> tuple[float, float]:
    result = program("load", "--socket", path, "--model", "identity", "--echoes", "--connections", connections,
                     "--seconds", self.seconds, "--warm-up", 200 * connections)
    return result["p50_us"], result["requests_per_second"]
