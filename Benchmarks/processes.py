"""What a runner's process costs, and what clients see of it when it dies or is replaced."""

import contextlib
import json
import os
import random
import shutil
import signal
import statistics
import threading
import time

from host import Broken, Host, memory_mb
from programs import Program
from runners import ECHO, ReplacedLibrary, make_other_runner, write_manifest

# Every crash costs the same pause, the shortest that is used by itself.
NEVER_GIVES_UP = ["--quarantine-crashes", "0", "--restart-at-most-ms", "100"]
IDENTITY = {"inputs": [{"name": "INPUT0", "shape": [1, 16], "datatype": "FP32", "data": [0.5] * 16}]}
COMES_BACK_SECONDS = 10  # what isn't there by then never comes
KILL_EVERY_SECONDS = 0.2
KILL_JITTER_SECONDS = 0.01  # or else each kill meets the same place between two requests, as these come at a steady pace
# Requests a second to two runners. At equal rates one program's requests would keep a place between the other's for
# the whole run, another one in each run, and what they cost each other would be a matter of luck.
CHAOS_RATES = (500, 487)
REPLACE_RATE = 2000


def wait_until(is_so, what: str):
  """Asks every half millisecond."""
  end = time.monotonic() + COMES_BACK_SECONDS
  while not is_so():
    if time.monotonic() > end:
      raise Broken(f"after {COMES_BACK_SECONDS} s: {what}")
    time.sleep(0.0005)


def end_process(pid: int, number: int):
  with contextlib.suppress(ProcessLookupError):
    os.kill(pid, number)


class Killer:
  """Ends a random process among the runners of `ids` by SIGKILL, at a steady pace, until the block ends.

  Looking for processes costs more than ending one. With `number` 0 they are only looked for, so that what is compared
  differs by the kills alone.
  """

  def __init__(self, host: Host, ids=None, number: int = signal.SIGKILL):
    self.host, self.ids, self.number = host, ids, number
    self.kills = 0
    self.stopping = threading.Event()
    self.thread = threading.Thread(target=self.kill_on)

  def kill_on(self):
    # Whatever else waits for a core goes first.
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    due = time.monotonic()
    while True:
      due += KILL_EVERY_SECONDS + random.uniform(-KILL_JITTER_SECONDS, KILL_JITTER_SECONDS)
      if self.stopping.wait(max(0, due - time.monotonic())):
        return
      living = [pid for id, pid in self.host.runner_processes() if self.ids is None or id in self.ids]
      if living:  # else all are in the pause before a restart
        end_process(random.choice(living), self.number)
        self.kills += 1

  def __enter__(self):
    self.thread.start()
    return self

  def __exit__(self, kind, error, trace):
    self.stopping.set()
    self.thread.join()


class ProcessGroups:
  """Groups of measurements for `Bench`, one method each. The names of values are those in figures.py."""

  def process(self):
    for place, core in (("one_core", 0), ("free", None)):
      with self.host(core=core) as inside, self.host(core=core, isolation="process") as outside:
        # The first of two has a slight advantage or a slight handicap: each has it in turn.
        hosts = [("_in_host", inside), ("", outside)][::1 if self.rounds_done % 2 == 0 else -1]
        for case in ("binary", "json", "image"):
          for suffix, host in hosts:
            result = self.load(host, case, core)
            self.values[f"process.{place}_{case}{suffix}"] = result["p50_us"]
            self.values[f"process.{place}_{case}_p99{suffix}"] = result["p99_us"]
        values = self.values
        values[f"process.{place}_added"] = values[f"process.{place}_binary"] - values[f"process.{place}_binary_in_host"]
        if core is not None:
          values["process.wakes"] = self.floor("wakes", core)["p50_us"]
          for case, byte_count in (("binary", 64), ("image", 602112)):
            bare = self.floor("relay", core, "--bytes", byte_count)
            values |= {f"process.relay_{case}": bare["child"]["p50_us"], f"process.relay_{case}_self": bare["self"]["p50_us"]}
        if core is None:
          for suffix, host in hosts:
            result = self.load(host, "binary", connections=8)
            self.values[f"process.cpu_8{suffix}"] = result["server_cpu_us_per_request"]
            self.values[f"process.rate_8{suffix}"] = result["requests_per_second"]
        for _, pid in outside.runner_processes():
          self.values["process.anonymous"] = memory_mb(pid)["RssAnon"]
    self.values["process.start"] = statistics.median(self.start_ms() for _ in range(5))
    self.values["process.restart"] = self.restart_ms()

  def start_ms(self) -> float:
    """From the wish for a first model, when its runner has no process yet, to the first answer from that process."""
    models = self.folder / "late"
    models.mkdir()
    try:
      with self.host("--no-watch", models="late", isolation="process") as host:
        if host.runner_processes():
          raise Broken("a runner without models has a process")
        shutil.copytree(self.folder / "identity" / "identity", models / "identity")
        begin = time.monotonic()
        for target, body in (("/v2/repository/models/identity/load", {}), ("/v2/models/identity/infer", IDENTITY)):
          status, answer = host.ask(target, body)
          if status != 200:
            raise Broken(f"{target}: {status} {answer[:300]}")
        return (time.monotonic() - begin) * 1e3
    finally:
      shutil.rmtree(models)

  def restart_ms(self) -> float:
    """A fresh process in a working one's place: started, two models loaded, switched over, the old one ended."""
    with self.host(isolation="process") as host:
      begin = time.monotonic()
      status, answer = host.ask(f"/v1/runners/{ECHO}/restart", {})
      if status != 200:
        raise Broken(f"restart: {status} {answer[:300]}")
      return (time.monotonic() - begin) * 1e3

  def crash(self):
    with self.host(*NEVER_GIVES_UP, isolation="process") as host:
      for name, number in (("kill", signal.SIGKILL), ("segv", signal.SIGSEGV)):
        outages = [self.outage_ms(host, number) for _ in range(2 if self.options.quick else 5)]
        self.values |= {f"crash.{name}": statistics.median(outages), f"crash.{name}_longest": max(outages)}

  def outage_ms(self, host: Host, number: int) -> float:
    """From the signal to the first answer after it that is no error."""
    processes = host.runner_processes()
    if len(processes) != 1:
      raise Broken(f"{len(processes)} runner processes instead of one")
    begin = time.monotonic()
    end_process(processes[0][1], number)
    was_down = False
    while True:
      status, answer = host.ask("/v2/models/identity/infer", IDENTITY)
      now = time.monotonic()
      # The system may take a moment to end the process, which answers until then.
      if status == 200 and was_down:
        return (now - begin) * 1e3
      if status not in (200, 502, 503):
        raise Broken(f"while a runner's process was down: {status} {answer[:300]}")
      was_down = was_down or status != 200
      if now - begin > COMES_BACK_SECONDS:
        raise Broken(f"{'still' if was_down else 'never'} down {COMES_BACK_SECONDS} s after signal {number}")
      time.sleep(0.0005)

  # Chaos

  def chaos(self):
    seconds = 1 if self.options.quick else 5
    with self.host(*NEVER_GIVES_UP, models="pair", isolation="process", manifests=self.pair()) as host:
      with Killer(host, [ECHO], number=0):
        alone = self.beside_each_other(host, seconds)
      with Killer(host, [ECHO]) as one:
        disturbed = self.beside_each_other(host, seconds)
      self.wait_for_both(host)
      for name, fate in (("other", disturbed["other"]), ("undisturbed", alone["other"])):
        self.values |= {f"chaos.{name}_p99": fate["p99_us"], f"chaos.{name}_p999": fate["p999_us"]}
      failed = [each["requests"] - each["200"] + each["wrong"] for each in (*alone.values(), disturbed["other"])]
      failed.append(self.unclear(disturbed["echo"]))
      # Long once: what piles up with each crash needs time to be seen.
      seconds = seconds if self.rounds_done > 0 else 3 if self.options.quick else 60
      with Killer(host) as any_of_both:
        fates = self.beside_each_other(host, seconds)
      begin = time.monotonic()
      self.wait_for_both(host)
      failed += map(self.unclear, fates.values())
      requests = sum(fate["requests"] for fate in fates.values())
      self.values |= {
        "chaos.failed": sum(failed), "chaos.kills": one.kills + any_of_both.kills,
        "chaos.served": sum(fate["200"] for fate in fates.values()) / requests * 100,
        "chaos.longest": max(fate["longest_us"] for fate in fates.values()) / 1e3,
        "chaos.back": (time.monotonic() - begin) * 1e3,
      }
      self.note_fates("chaos", {"alone": alone, "disturbed": disturbed, "random": fates})

  def pair(self):
    """Two runners and a model for each: made once, when a group first asks for them."""
    manifests, models = self.folder / "pair-runners", self.folder / "pair"
    if not manifests.exists():
      shutil.copytree(self.folder / "identity" / "identity", models / "identity")
      write_manifest(self.options.manifests / "echo.runner.json", manifests, "process")
      make_other_runner(self.options.stadion, self.folder / "other", manifests, models)
    return manifests

  def beside_each_other(self, host: Host, seconds: float) -> dict[str, dict]:
    """What becomes of requests at a constant rate to both runners at once."""
    common = ["--socket", host.socket, "--seconds", seconds, "--rate"]
    echoes, others = CHAOS_RATES
    with Program("steady", *common, echoes, "--model", "identity", seconds=seconds) as echo, \
        Program("steady", *common, others, "--model", "other", "--input", "x", "--shape", "16", seconds=seconds) as other:
      return {"echo": echo.result(), "other": other.result()}

  @staticmethod
  def unclear(fate: dict) -> int:
    """Requests that were lost, or whose answer wasn't right and wasn't a 502 or 503 with a message either."""
    return fate["lost"] + fate["other"] + fate["wrong"]

  def wait_for_both(self, host: Host):
    other = {"inputs": [{"name": "x", "shape": [1], "datatype": "FP32", "data": [1]}]}
    for model, request in (("identity", IDENTITY), ("other", other)):
      wait_until(lambda: host.ask(f"/v2/models/{model}/infer", request)[0] == 200, f"{model} isn't served again")

  # Replacing

  def replace(self):
    seconds = 3 if self.options.quick else 5
    library = ReplacedLibrary(self.options.stadion.parent / "libEchoRunner.so",
                              self.folder / f"library-{self.rounds_done}")
    manifests = self.folder / f"replaced-{self.rounds_done}"
    write_manifest(self.options.manifests / "echo.runner.json", manifests, "process", library.path)
    with self.host(isolation="process", manifests=manifests) as host:
      arguments = ["--socket", host.socket, "--model", "identity", "--rate", REPLACE_RATE, "--seconds"]
      with Program("steady", *arguments, 1) as steady:
        undisturbed = steady.result()
      end = time.monotonic() + seconds
      takes = []
      with Program("steady", *arguments, seconds, seconds=seconds) as steady:
        while time.monotonic() < end - 0.5:
          takes.append(self.replace_ms(host, library.rename))
          takes.append(self.replace_ms(host, lambda: library.overwrite(lambda: time.sleep(0.15))))
        fate = steady.result()
    self.values |= {
      "replace.failed": fate["requests"] - fate["200"] + fate["wrong"], "replace.count": len(takes),
      "replace.takes": statistics.median(takes), "replace.p99": fate["p99_us"],
      "replace.undisturbed_p99": undisturbed["p99_us"], "replace.longest": fate["longest_us"] / 1e3,
    }
    self.note_fates("replace", {"undisturbed": undisturbed, "replaced": fate})

  @staticmethod
  def replace_ms(host: Host, change) -> float:
    """From the change of the library to a fresh process alone in its place."""
    # The kernel's list of children may miss one while threads come and go.
    wait_until(lambda: len(host.runner_processes()) == 1, "not one runner process before a replacement")
    old = host.runner_processes()
    change()
    begin = time.monotonic()
    wait_until(lambda: len(now := host.runner_processes()) == 1 and now != old, "the runner isn't replaced")
    return (time.monotonic() - begin) * 1e3

  def note_fates(self, group: str, fates: dict):
    """Keeps the counts of each load for the report, and says what was wrong with answers."""
    self.details.append({"group": group, "round": self.rounds_done} | fates)
    for name, fate in fates.items():
      for each in fate.values() if "p50_us" not in fate else [fate]:
        if each["complaints"]:
          self.complaints.append(f"{group}, {name}: {json.dumps(each, ensure_ascii=False)}")
