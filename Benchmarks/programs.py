"""The C and C++ programs of the benchmark: compiled, run, their answers read."""

import json
import os
import pathlib
import shlex
import subprocess

from host import Broken

SOURCES = pathlib.Path(__file__).resolve().parent
ROOT = SOURCES.parent
OUTPUT = ROOT / ".stadion" / "bench"
C_PROGRAMS = ["load", "steady", "ping", "wakes", "relay", "idle", "ort_inprocess", "litert_inprocess", "openvino_inprocess",
              "tensorflow_inprocess", "echo", "spread"]
PROGRAM_SECONDS = 30  # each takes a few; more means that the host does not answer


def build():
  """Compiles the C and C++ programs into OUTPUT."""
  OUTPUT.mkdir(parents=True, exist_ok=True)
  cc, cxx = os.environ.get("CC", "cc"), os.environ.get("CXX", "c++")
  for name in C_PROGRAMS:
    compile = [cc, "-O2", "-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", SOURCES / f"{name}.c"]
    subprocess.run([*compile, "-o", OUTPUT / name, "-ldl", "-lm"], check=True)
  compile = [cxx, "-O2", "-std=c++17", "-Wall", "-Wextra", SOURCES / "text.cpp"]
  subprocess.run([*compile, "-o", OUTPUT / "text"], check=True)


class Program:
  """A compiled program that runs. Use with `with`: it is ended with the block, if it hasn't ended by itself."""

  def __init__(self, name: str, *arguments, seconds: float = 0):
    """seconds: how long it is meant to take, when that is more than a few."""
    self.command = [str(OUTPUT / name), *map(str, arguments)]
    self.timeout = seconds + PROGRAM_SECONDS
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    self.process = subprocess.Popen(self.command, text=True, **pipes)

  @property
  def is_running(self) -> bool:
    return self.process.poll() is None

  def result(self) -> dict:
    """The JSON object that it prints; with what it complained about as "complaints"."""
    output, complaints = self.process.communicate(timeout=self.timeout)
    if self.process.returncode != 0:
      raise Broken(f"{shlex.join(self.command)}\n{complaints.strip()}")
    result = json.loads(output)
    if result.get("errors"):
      raise Broken(f"{shlex.join(self.command)}: {result['errors']} wrong answers\n{complaints.strip()}")
    return result | {"complaints": complaints.strip()}

  def __enter__(self):
    return self

  def __exit__(self, kind, error, trace):
    if self.is_running:
      self.process.kill()
      self.process.wait()


def program(name: str, *arguments) -> dict:
  """Runs a compiled program and returns the JSON object that it prints."""
  with Program(name, *arguments) as running:
    return running.result()
