"""A host under measurement: started, asked for readiness, weighed, ended."""

import contextlib
import json
import os
import pathlib
import shlex
import signal
import socket
import subprocess
import time

READY_SECONDS = 30  # a model may need a while; a host that isn't ready by then is broken
DRAIN_SECONDS = 15


class Broken(Exception):
  """Something does not work, as opposed to being slow."""


def cpu_seconds(pid: int) -> float:
  """CPU time of all threads of a process; the clock's number is what clock_getcpuclockid gives on Linux."""
  return time.clock_gettime((~pid << 3) | 2)


def descendants(pid: int) -> list[int]:
  """The process and those it started, for hosts that run models in processes of their own."""
  found = [pid]
  for process in found:
    with contextlib.suppress(OSError):  # ended meanwhile
      for children in pathlib.Path(f"/proc/{process}/task").glob("*/children"):
        found += [int(child) for child in children.read_text().split()]
  return found


def memory_mb(pid: int) -> dict[str, float]:
  """VmRSS and RssAnon in MiB."""
  lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
  fields = dict(line.split(":", 1) for line in lines)
  return {key: int(fields[key].split()[0]) / 1024 for key in ("VmRSS", "RssAnon")}


class Host:
  """A running `stadion serve` on a Unix socket. Use with `with`.

  core: the one core it may use, None for all. ready_ms: from just before the process is created to the first 200 of
  /v2/health/ready, asked for every 0.2 ms.
  """

  def __init__(self, stadion, socket, models, manifests, arguments=(), core=None, log=None,
               ready_seconds=READY_SECONDS):
    self.socket = str(socket)
    self.log = pathlib.Path(log)
    self.ready_seconds = ready_seconds
    command = [str(stadion), "serve", "--socket", self.socket, "--models", str(models), "--manifests", str(manifests)]
    command += map(str, arguments)
    pin = None if core is None else lambda: os.sched_setaffinity(0, {core})
    with self.log.open("ab") as output:
      output.write(f"$ {shlex.join(command)}\n".encode())
      output.flush()
      begin = time.monotonic()
      self.process = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, preexec_fn=pin)
    try:
      self.wait_for("/v2/health/ready", begin)
    except BaseException:
      self.process.kill()
      self.process.wait()
      raise
    self.ready_ms = (time.monotonic() - begin) * 1e3

  def wait_for(self, target: str, begin: float):
    while True:
      try:
        if self.ask(target)[0] == 200:
          return
      except OSError:
        pass  # not listening yet
      if self.process.poll() is not None:
        raise Broken(f"the host ended with code {self.process.returncode}:\n{self.last_words()}")
      if time.monotonic() - begin > self.ready_seconds:
        raise Broken(f"no 200 from {target} in {self.ready_seconds} s:\n{self.last_words()}")
      time.sleep(0.0002)

  def last_words(self) -> str:
    return self.log.read_text(errors="replace")[-2000:]

  def ask(self, target: str, body: dict | None = None) -> tuple[int, bytes]:
    """Status and body of one GET, or of a POST of `body` as JSON, on a connection of its own. Raises OSError while
    nobody listens."""
    content = b"" if body is None else json.dumps(body).encode()
    kind = f"Content-Length: {len(content)}\r\nContent-Type: application/json\r\n" if content else ""
    head = f"{'POST' if content else 'GET'} {target} HTTP/1.1\r\nHost: localhost\r\n{kind}Connection: close\r\n\r\n"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
      client.settimeout(10)
      client.connect(self.socket)
      client.sendall(head.encode() + content)
      answer = b""
      while chunk := client.recv(65536):
        answer += chunk
    head, _, body = answer.partition(b"\r\n\r\n")
    parts = head.split(b" ", 2)
    return (int(parts[1]), body) if len(parts) > 2 and parts[1].isdigit() else (0, body)

  def post(self, target: str, body: dict) -> dict:
    """The answer to a POST; anything but a 200 ends the group."""
    status, answer = self.ask(target, body)
    if status != 200:
      raise Broken(f"POST {target}: {status} {answer.decode(errors='replace')}")
    return json.loads(answer) if answer else {}

  def runner_processes(self) -> list[tuple[str, int]]:
    """Id and process of each runner, also of those that are just being started."""
    return [(words[2], pid) for words, pid in self.runner_commands()]

  def tenant_processes(self) -> dict[str, int]:
    """By the tenant whose models they run; of a host with one runner."""
    return {words[3]: pid for words, pid in self.runner_commands()}

  def runner_commands(self) -> list[tuple[list[str], int]]:
    found = []
    for pid in descendants(self.process.pid)[1:]:
      with contextlib.suppress(OSError):
        words = pathlib.Path(f"/proc/{pid}/cmdline").read_text().split("\0")
        if words[1:2] == ["runner-process"]:
          found.append((words, pid))
    return found

  def cpu_share(self, seconds: float) -> float:
    """Percent of one core used while nobody asks for anything."""
    begin = time.monotonic()
    before = sum(map(cpu_seconds, descendants(self.process.pid)))
    time.sleep(seconds)
    after = sum(map(cpu_seconds, descendants(self.process.pid)))
    return (after - before) / (time.monotonic() - begin) * 100

  def __enter__(self):
    return self

  def __exit__(self, kind, error, trace):
    self.process.send_signal(signal.SIGTERM)
    try:
      code = self.process.wait(DRAIN_SECONDS)
    except subprocess.TimeoutExpired:
      self.process.kill()
      self.process.wait()
      code = None
    if code != 0 and kind is None:
      ending = f"did not end in {DRAIN_SECONDS} s" if code is None else f"ended with code {code}"
      raise Broken(f"the host {ending} after SIGTERM:\n{self.last_words()}")
