"""What watching costs: metrics and traces on the hot path, /metrics of many models while requests go on."""

import contextlib
import http.server
import json
import multiprocessing
import os
import socket
import statistics
import threading
import time

from host import Broken, Host
from programs import OUTPUT
from runners import ECHO, write_manifest

TURNS = 8  # of each host, one after the other
MODELS = 1000
RUNNERS = 4
SCRAPES = 10
SCRAPE_EVERY_SECONDS = 5  # Prometheus asks every 15 s unless it is told otherwise


class Quiet(http.server.BaseHTTPRequestHandler):
  """Takes what it is sent."""
  protocol_version = "HTTP/1.1"

  def do_POST(self):
    self.rfile.read(int(self.headers["content-length"]))
    self.send_response(200)
    self.send_header("Content-Length", "2")
    self.end_headers()
    self.wfile.write(b"{}")

  def log_message(self, *arguments):
    pass


def serve_collector(port):
  os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
  server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
  port.send(server.server_port)
  server.serve_forever()


@contextlib.contextmanager
def collector():
  """A process that takes traces, on the last core; gives its address."""
  here, there = multiprocessing.Pipe()
  process = multiprocessing.Process(target=serve_collector, args=(there,), daemon=True)
  process.start()
  try:
    yield f"http://127.0.0.1:{here.recv()}"
  finally:
    process.kill()
    process.join()


class Scraper:
  """Reads /metrics on one connection, as a monitoring system does."""

  def __init__(self, path: str):
    self.client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    self.client.settimeout(10)
    self.client.connect(path)
    self.room = bytearray(1 << 20)

  def scrape(self) -> tuple[float, int]:
    """Milliseconds from asking to the last byte, and the bytes."""
    begin = time.monotonic()
    self.client.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
    count, tail = 0, b""
    while not tail.endswith(b"\r\n0\r\n\r\n"):
      got = self.client.recv_into(self.room)
      if got == 0:
        raise Broken("/metrics ended early")
      count += got
      tail = (tail + bytes(self.room[max(0, got - 16):got]))[-16:]
    return (time.monotonic() - begin) * 1e3, count

  def every(self, seconds: float, stop: threading.Event, taken: list):
    while not stop.wait(seconds):
      taken.append(self.scrape()[0])


class ObserveGroups:
  """The group "observe" of run.py."""

  def observe(self):
    self.hot_path()
    self.many_series()

  def own_host(self, name: str, *arguments, core=None, models="identity", manifests=None,
               ready_seconds=30) -> Host:
    extra = [*arguments] + (["--loops", "1"] if core is not None else [])
    return Host(self.options.stadion, self.folder / f"observe-{name}.sock", self.folder / models,
                manifests or self.manifests["host"], extra, core, OUTPUT / "host.log", ready_seconds)

  def hot_path(self):
    """Two hosts that differ in nothing else, in turns."""
    times = {"off": [], "on": [], "metrics": []}
    with collector() as endpoint, self.own_host("off", "--no-metrics", core=0) as off, \
         self.own_host("metrics", core=0) as metrics, \
         self.own_host("on", "--trace-endpoint", endpoint, "--trace-sample", "0.01", core=0) as on:
      hosts = {"off": off, "metrics": metrics, "on": on}
      for turn in range(TURNS):
        names = list(hosts) if turn % 2 == 0 else list(reversed(hosts))
        for name in names:
          times[name].append(self.load(hosts[name], "binary", 0)["p50_us"])
      status, text = on.ask("/metrics")
      if status != 200 or b"stadion_traces_exported_total 0\n" in text:
        raise Broken("no trace was exported while its cost was measured")
    for name, values in times.items():
      self.values[f"observe.{name}"] = statistics.median(values)

  def many_series(self):
    """1,000 models on each of four runners, each asked once so that all histograms are there."""
    manifests, models = self.folder / "observe-runners", self.folder / "observe-models"
    if not models.exists():
      self.make_many(manifests, models)
    with self.own_host("many", manifests=manifests, models="observe-models", ready_seconds=120) as host:
      self.ask_each(host)
      scraper = Scraper(host.socket)
      scraper.scrape()
      taken = [scraper.scrape() for _ in range(SCRAPES)]
      self.values["observe.scrape"] = statistics.median(ms for ms, _ in taken)
      self.values["observe.scrape_mb"] = taken[0][1] / 1e6
      # The same bytes between two processes: what the kernel takes of it.
      floor = self.floor("ping", None, "--request", 64, "--response", taken[0][1])
      self.values["observe.scrape_ping"] = floor["p50_us"] / 1e3
      self.while_scraped(host, scraper)

  def while_scraped(self, host: Host, scraper: Scraper):
    """The same load in turns with and without a scraper beside it; long enough for one scrape."""
    quiet, loaded = [], []
    seconds, self.seconds = self.seconds, 1.2 * SCRAPE_EVERY_SECONDS
    try:
      for _ in range(3):
        quiet.append(self.load(host, "binary"))
        stop, during = threading.Event(), []
        thread = threading.Thread(target=scraper.every, args=(SCRAPE_EVERY_SECONDS, stop, during))
        thread.start()
        loaded.append(self.load(host, "binary"))
        stop.set()
        thread.join()
        if not during:
          raise Broken("nothing was scraped while requests went on")
    finally:
      self.seconds = seconds
    for name in ("p99", "p999"):
      self.values[f"observe.{name}"] = statistics.median(load[f"{name}_us"] for load in loaded)
      self.values[f"observe.{name}_quiet"] = statistics.median(load[f"{name}_us"] for load in quiet)

  def make_many(self, manifests, models):
    source = self.options.manifests / "echo.runner.json"
    library = self.options.stadion.parent / "libEchoRunner.so"
    runners = [f"org.stadion.ech{number}" for number in range(RUNNERS)]
    manifests.mkdir()
    for runner in runners:
      # A runner's library says which it is: each gets one of its own, with another name of the same length.
      own = manifests / f"lib{runner}.so"
      own.write_bytes(library.read_bytes().replace(ECHO.encode() + b"\0", runner.encode() + b"\0"))
      write_manifest(source, manifests, "process", own)
      written = manifests / source.name
      (manifests / f"{runner}.runner.json").write_text(json.dumps(json.loads(written.read_text()) | {"id": runner}))
      written.unlink()
    options = {"inputs": "INPUT0:f32[-1,16]", "outputs": "OUTPUT0:f32[-1,16]"}
    for number in range(MODELS):
      for index, runner in enumerate(runners):
        name = "identity" if number == index == 0 else f"model_{number:04}_{index}"
        folder = models / name
        (folder / "1").mkdir(parents=True)
        (folder / "model.json").write_text(json.dumps({"format": "echo", "options": options, "runners": [runner]}))

  def ask_each(self, host: Host):
    body = json.dumps({"inputs": [{"name": "INPUT0", "shape": [1, 16], "datatype": "FP32", "data": [0.5] * 16}]})
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
      client.settimeout(10)
      client.connect(host.socket)
      names = [model["name"] for model in json.loads(host.ask("/v1/models")[1])["models"]]
      for name in names:
        head = f"POST /v2/models/{name}/infer HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
        client.sendall((head + body).encode())
        answer = client.recv(65536)
        if not answer.startswith(b"HTTP/1.1 200"):
          raise Broken(f"{name}: {answer.decode(errors='replace')}")
    if len(names) != MODELS * RUNNERS:
      raise Broken(f"{len(names)} models instead of {MODELS * RUNNERS}")
