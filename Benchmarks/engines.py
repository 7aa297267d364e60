"""What the host adds to a run of each engine, and what an engine leaves behind when its model is unloaded."""

import dataclasses
import json
import pathlib
import shutil

from host import Broken, Host, memory_mb
from programs import ROOT, program
from runners import copy_manifests

ENGINES = ROOT / ".stadion" / "engines"
BASIC_PITCH = ROOT / ".stadion" / "test-models" / "basic_pitch"


@dataclasses.dataclass
class Engine:
  """The program that runs a model in the engine directly has the engine's name; see `ort_inprocess.c`."""

  name: str
  runner: str
  library: pathlib.Path
  model: pathlib.Path  # basic_pitch
  file_name: str  # in a model repository
  program: str
  threads_options: list[str]  # of the runner: threads for one run

  @property
  def is_there(self) -> bool:
    return self.library.exists() and self.model.exists()


ALL = [
  Engine("onnxruntime", "org.stadion.onnxruntime", ENGINES / "onnxruntime" / "libonnxruntime.so.1.32.0",
         ROOT / ".stadion" / "models" / "basic_pitch" / "1" / "model.onnx", "model.onnx", "ort_inprocess",
         ["intra_op_threads"]),
  Engine("litert", "org.stadion.litert", ENGINES / "litert" / "libLiteRt.so",
         BASIC_PITCH / "static.tflite", "model.tflite", "litert_inprocess", ["threads"]),
  Engine("openvino", "org.stadion.openvino", ENGINES / "openvino" / "libopenvino_c.so.2641",
         ROOT / ".stadion" / "models" / "basic_pitch" / "1" / "model.onnx", "model.onnx", "openvino_inprocess",
         ["threads"]),
  Engine("tensorflow", "org.stadion.tensorflow", ENGINES / "tensorflow" / "libtensorflow_cc.so.2",
         BASIC_PITCH / "saved_model", "saved_model", "tensorflow_inprocess",
         ["intra_op_threads", "inter_op_threads"]),
]


class EngineGroups:
  """A group of measurements for `Bench`. Engines that aren't there are left out, and so reported as not measured."""

  def engines(self):
    for engine in ALL:
      if engine.is_there:
        self.added_to(engine)
        self.left_behind_by(engine)

  def engine_host(self, engine: Engine, core=None, threads=1) -> Host:
    """A host with one runner, in a process of its own, and two models: basic_pitch, and the same as `kept`.

    threads: of the engine for one run; from the manifest, as TensorFlow has them from nowhere else.
    """
    folder = f"engine-{engine.name}"
    for name in ("basic_pitch", "kept"):
      version = self.folder / folder / name / "1"
      if not version.exists():
        version.mkdir(parents=True)
        copy = shutil.copytree if engine.model.is_dir() else shutil.copyfile
        copy(engine.model, version / engine.file_name)
    manifests = copy_manifests(self.manifests["process"], self.folder / f"runners-{threads}-threads", "process")
    for path in manifests.iterdir():
      manifest = json.loads(path.read_text())
      if manifest["id"] == engine.runner:
        manifest["options"] |= {option: str(threads) for option in engine.threads_options}
        path.write_text(json.dumps(manifest))
    return self.host("--runners", engine.runner, models=folder, isolation="process", core=core, manifests=manifests)

  def added_to(self, engine: Engine):
    """On one core the host's own work shows; free, what waking three threads on other cores costs comes to it; with two
    threads of the engine, what host and client take from them on two cores.

    Two starts of an engine lie further apart than what a host adds, as their memory lies elsewhere: so there are many.
    """
    for place, core, threads in (("one_core", 0, 1), ("free", None, 1), ("two_threads", None, 2)):
      starts = [self.start_of(engine, core, threads) for _ in range(1 if self.options.quick else 3)]
      name = f"engines.{engine.name}_{place}"
      for way, suffix in (("host", ""), ("bare", "_bare")):
        middle = sorted(starts, key=lambda one: one[way]["p50_us"] / one["in_process"]["p50_us"])[len(starts) // 2]
        self.values |= {f"{name}{suffix}": middle[way]["p50_us"],
                        f"{name}{suffix}_direct": middle["in_process"]["p50_us"],
                        f"{name}{suffix}_added": middle[f"{way}_added"]["p50_us"]}
        self.details += [{"group": name + suffix, "round": self.rounds_done} | one[f"{way}_added"] for one in starts]

  def start_of(self, engine: Engine, core, threads) -> dict:
    """The engine started by itself, by a bare host in C and by the host, asked in turns."""
    with self.engine_host(engine, core, threads) as host:
      here = ["--library", engine.library, "--model", engine.model]
      there = ["--socket", host.socket, "--name", "basic_pitch"]
      pin = [] if core is None else ["--core", core]
      runs = ["--threads", threads, "--runs", 12 if self.options.quick else 48]
      return program(engine.program, *here, *there, *pin, *runs)

  def left_behind_by(self, engine: Engine):
    """Memory of a runner process that keeps another model, before basic_pitch is loaded and after it is unloaded."""
    with self.engine_host(engine) as host:
      def ask(what: str, model: str, body: dict):
        status, answer = host.ask(f"/v2/{what.format(model)}", body)
        if status != 200:
          raise Broken(f"{engine.name}, {what.format(model)}: {status} {answer[:300]}")
        return answer

      (_, process), = host.runner_processes()
      ask("repository/models/{}/unload", "basic_pitch", {})
      metadata = json.loads(host.ask("/v2/models/kept")[1])
      inputs = []
      for tensor in metadata["inputs"]:
        shape = [max(size, 1) for size in tensor["shape"]]
        count = 1
        for size in shape:
          count *= size
        inputs.append({"name": tensor["name"], "shape": shape, "datatype": tensor["datatype"], "data": [0.25] * count})
      request = {"inputs": inputs}
      for _ in range(3):
        ask("models/{}/infer", "kept", request)
      before = memory_mb(process)["VmRSS"]
      for _ in range(3):
        ask("repository/models/{}/load", "basic_pitch", {})
        for _ in range(3):
          ask("models/{}/infer", "basic_pitch", request)
        ask("repository/models/{}/unload", "basic_pitch", {})
      name = f"engines.{engine.name}_unloaded"
      self.values |= {f"{name}_before": before, name: memory_mb(process)["VmRSS"]}
