#!/usr/bin/env python3
"""Stadion beside Triton on this machine, both over loopback TCP, measured in turns by `stadion bench --url`.

Triton 2.51 comes from PyPI's nvidia-pytriton and needs no GPU; 250 MB go into .stadion/triton-venv. Prints p50 and
requests a second of both, with the ratio and its interval; writes .stadion/bench/triton.json.
"""

import argparse
import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

from host import Broken, Host
from programs import OUTPUT, ROOT
from runners import copy_manifests

SOURCES = pathlib.Path(__file__).resolve().parent
VENV = ROOT / ".stadion" / "triton-venv"
PITCH = ROOT / ".stadion" / "models" / "basic_pitch" / "1" / "model.onnx"
READY_SECONDS = 30
IDENTITIES = {"identity": (16,), "identity_image": (3, 224, 224)}
CASES = [  # model, further words of `stadion bench`
  ("identity", ["--concurrency", "1,8"]),
  ("identity", ["--concurrency", "1,8", "--encoding", "json"]),
  ("identity_image", ["--concurrency", "1,8"]),
  ("basic_pitch", ["--concurrency", "1,2"]),
]


def set_up() -> pathlib.Path:
  """Triton's folder in an environment of its own, made anew when the requirements change."""
  requirements = ROOT / "scripts" / "triton-requirements.txt"
  made = VENV / "requirements.txt"
  if not made.exists() or made.read_bytes() != requirements.read_bytes():
    print(f"installing Triton into {VENV}", file=sys.stderr)
    subprocess.run(["/usr/bin/python3", "-m", "venv", "--clear", VENV], check=True)
    subprocess.run([VENV / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps",
                    "--only-binary=:all:", "--require-hashes", "--requirement", requirements], check=True)
    shutil.copyfile(requirements, made)
  python = next((VENV / "lib").glob("python3.*"))
  folder = python / "site-packages" / "pytriton" / "tritonserver"
  stub = folder / "python_backend_stubs" / python.name.removeprefix("python") / "triton_python_backend_stub"
  shutil.copy(stub, folder / "backends" / "python")
  identity = folder / "backends" / "identity"
  identity.mkdir(exist_ok=True)
  subprocess.run([os.environ.get("CC", "cc"), "-O2", "-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-shared", "-fPIC",
                  "-o", identity / "libtriton_identity.so", SOURCES / "triton_identity.c"], check=True)
  return folder


def write_triton(folder: pathlib.Path, name: str, backend: str, batch: int, inputs: dict, outputs: dict):
  def tensors(side: str, shapes: dict) -> str:
    return "".join(f'{side} [{{ name: "{name}", data_type: TYPE_FP32, dims: {list(shape)} }}]\n'
                   for name, shape in shapes.items())

  (folder / name / "1").mkdir(parents=True)
  (folder / name / "config.pbtxt").write_text(
    f'name: "{name}"\nbackend: "{backend}"\nmax_batch_size: {batch}\n{tensors("input", inputs)}'
    f'{tensors("output", outputs)}instance_group [{{ kind: KIND_CPU, count: 2 }}]\n')


def make_models(triton: pathlib.Path, stadion: pathlib.Path):
  for name, shape in IDENTITIES.items():
    write_triton(triton, name, "identity", 1024, {"INPUT0": shape}, {"OUTPUT0": shape})
    (stadion / name / "1").mkdir(parents=True)
    text = ",".join(map(str, (-1, *shape)))
    options = {"inputs": f"INPUT0:f32[{text}]", "outputs": f"OUTPUT0:f32[{text}]"}
    (stadion / name / "model.json").write_text(json.dumps({"format": "echo", "options": options}))
  outputs = {f"StatefulPartitionedCall:{index}": (-1, -1, -1) for index in range(3)}
  write_triton(triton, "basic_pitch", "python", 0, {"serving_default_input_2:0": (-1, 43844, 1)}, outputs)
  shutil.copyfile(SOURCES / "triton_basic_pitch.py", triton / "basic_pitch" / "1" / "model.py")
  (stadion / "basic_pitch" / "1").mkdir(parents=True)
  for folder in (triton, stadion):
    shutil.copyfile(PITCH, folder / "basic_pitch" / "1" / "model.onnx")


@contextlib.contextmanager
def triton_server(folder: pathlib.Path, models: pathlib.Path, port: int):
  log = OUTPUT / "triton.log"
  words = [folder / "bin" / "tritonserver", "--model-repository", models, "--backend-directory", folder / "backends",
           "--http-address", "127.0.0.1", "--http-port", port, "--http-thread-count", 4, "--allow-grpc", "false",
           "--allow-metrics", "false", "--exit-timeout-secs", 2]
  # The backend's stub finds its packages by the first python3 on the path.
  environment = os.environ | {"PATH": f"{VENV / 'bin'}:{os.environ['PATH']}"}
  with log.open("wb") as output:
    process = subprocess.Popen([str(word) for word in words], stdout=output, stderr=output, env=environment)
  try:
    wait(process, f"http://127.0.0.1:{port}/v2/health/ready", log)
    yield f"http://127.0.0.1:{port}"
  finally:
    process.terminate()
    try:
      process.wait(15)
    except subprocess.TimeoutExpired:
      process.kill()
      process.wait()


def wait(process: subprocess.Popen, url: str, log: pathlib.Path):
  end = time.monotonic() + READY_SECONDS
  while True:
    with contextlib.suppress(urllib.error.URLError, OSError):
      if urllib.request.urlopen(url, timeout=2).status == 200:
        return
    if process.poll() is not None or time.monotonic() > end:
      raise Broken(f"Triton isn't ready:\n{log.read_text(errors='replace')[-2000:]}")
    time.sleep(0.05)


def compare(options, model: str, words: list[str], urls: list[str]) -> dict:
  command = [options.stadion, "bench", model, "--json", "-", "--duration", options.duration, "--warm-up", 1, *words]
  for url in urls:
    command += ["--url", url]
  done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
  if done.returncode != 0:
    raise Broken(f"{model}: {done.stderr.strip()}")
  return json.loads(done.stdout)


def show(model: str, report: dict):
  triton, stadion = report["runners"]
  for theirs, ours, comparison in zip(triton["loads"], stadion["loads"], report["comparisons"]):
    time = comparison["time"]
    print(f"| {model} | {ours['connections']} | {theirs['latencyNs']['p50'] / 1e3:,.1f} | "
          f"{ours['latencyNs']['p50'] / 1e3:,.1f} | {time['estimate']:.2f} ({time['low']:.2f}–{time['high']:.2f}) | "
          f"{theirs['throughput']:,.0f} | {ours['throughput']:,.0f} |", flush=True)


def main():
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument("--stadion", type=pathlib.Path, default=ROOT / ".build/release/stadion")
  parser.add_argument("--duration", type=float, default=5, help="seconds of each server at each load")
  parser.add_argument("--port", type=int, default=18123, help="of Triton; the next one is Stadion's")
  options = parser.parse_args()
  OUTPUT.mkdir(parents=True, exist_ok=True)
  folder = set_up()
  reports = []
  with tempfile.TemporaryDirectory(prefix="stadion-triton-") as work:
    work = pathlib.Path(work)
    make_models(work / "triton", work / "stadion")
    manifests = copy_manifests(ROOT / "runner-manifests", work / "runners", "process")
    pitch = manifests / "onnxruntime.runner.json"
    manifest = json.loads(pitch.read_text())
    manifest["options"]["intra_op_threads"] = "1"
    pitch.write_text(json.dumps(manifest))
    listens = ["--listen", f"127.0.0.1:{options.port + 1}", "--anonymous"]
    with triton_server(folder, work / "triton", options.port) as triton, \
         Host(options.stadion, work / "s", work / "stadion", manifests, listens, log=OUTPUT / "host.log"):
      print("| model | connections | Triton p50, µs | Stadion p50, µs | time × Triton's | Triton/s | Stadion/s |")
      print("| --- | --- | --- | --- | --- | --- | --- |")
      for model, words in CASES:
        report = compare(options, model, words, [triton, f"http://127.0.0.1:{options.port + 1}"])
        show(model + (", JSON" if "json" in words else ""), report)
        reports.append({"words": words, "report": report})
  (OUTPUT / "triton.json").write_text(json.dumps(reports, indent=1) + "\n")


if __name__ == "__main__":
  try:
    main()
  except Broken as error:
    sys.exit(f"triton: {error}")
