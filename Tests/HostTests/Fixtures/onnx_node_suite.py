"""onnx_node_suite.py SOCKET MODELS EXCEPTIONS: the ONNX project's backend tests against a host; see OnnxNodeTests.swift.

The package onnx makes some 2000 small models with inputs and expected outputs, one or more for each operator. Each is
written to MODELS, loaded, asked with binary tensors, compared as onnx.backend.test.runner compares, and unloaded.

Prints a line per case that differs from what EXCEPTIONS says, then "ran N, excepted M"; ends with 1 if there was one.
"""
import concurrent.futures
import fnmatch
import http.client
import itertools
import json
import locale
import os
import shutil
import socket
import sys
import threading
import warnings

warnings.simplefilter("ignore")  # numpy's, of tests that overflow or divide by zero on purpose

import ml_dtypes
import numpy as np
import onnx
from onnx import numpy_helper
from onnx.backend.test.loader import load_model_tests
from onnx.backend.test.runner import Runner

SOCKET, MODELS, EXCEPTIONS = sys.argv[1:]
CONNECTIONS = 2
KINDS = ["node", "simple", "pytorch-converted", "pytorch-operator"]
TYPES = {
    np.dtype(np.bool_): "BOOL", np.dtype(np.uint8): "UINT8", np.dtype(np.uint16): "UINT16",
    np.dtype(np.uint32): "UINT32", np.dtype(np.uint64): "UINT64", np.dtype(np.int8): "INT8",
    np.dtype(np.int16): "INT16", np.dtype(np.int32): "INT32", np.dtype(np.int64): "INT64",
    np.dtype(np.float16): "FP16", np.dtype(ml_dtypes.bfloat16): "BF16", np.dtype(np.float32): "FP32",
    np.dtype(np.float64): "FP64",
}
DTYPES = {name: dtype for dtype, name in TYPES.items()}


class Refused(Exception):
    """An answer other than 200; its text is the host's."""


class Host(threading.local):
    """One connection per thread, and the name of the model that it loads case after case."""

    numbers = itertools.count()

    def __init__(self):
        self.model = f"case{next(self.numbers)}"
        self.connection = http.client.HTTPConnection("host")
        self.connection.sock = socket.socket(socket.AF_UNIX)
        self.connection.sock.settimeout(60)
        self.connection.sock.connect(SOCKET)

    def ask(self, path, body=b"", headers={}):
        self.connection.request("POST", path, body, headers)
        response = self.connection.getresponse()
        answer = response.read()
        if response.status != 200:
            raise Refused(f"{response.status}: {json.loads(answer)['error']}")
        return answer, response

    def change(self, verb):
        self.ask(f"/v2/repository/models/{self.model}/{verb}")

    def infer(self, inputs):
        head = {"inputs": [], "parameters": {"binary_data_output": True}}
        data = []
        for name, array in inputs:
            datatype, content = encode(array)
            head["inputs"].append({
                "name": name, "datatype": datatype, "shape": list(array.shape),
                "parameters": {"binary_data_size": len(content)}})
            data.append(content)
        text = json.dumps(head).encode()
        answer, response = self.ask(
            f"/v2/models/{self.model}/infer", text + b"".join(data), {"Inference-Header-Content-Length": str(len(text))})
        end = int(response.getheader("Inference-Header-Content-Length", len(answer)))
        outputs = []
        for output in json.loads(answer[:end])["outputs"]:
            start, end = end, end + output["parameters"]["binary_data_size"]
            outputs.append((output["name"], decode(output, answer[start:end])))
        assert end == len(answer), "the answer is longer than its tensors"
        return outputs


def encode(array):
    """The datatype and bytes of an array."""
    if array.dtype.kind in "OUS":
        texts = [text if isinstance(text, bytes) else str(text).encode() for text in array.flatten().tolist()]
        return "BYTES", b"".join(len(text).to_bytes(4, "little") + text for text in texts)
    return TYPES[array.dtype], np.ascontiguousarray(array).tobytes()


def decode(output, content):
    if output["datatype"] != "BYTES":
        return np.frombuffer(content, DTYPES[output["datatype"]]).reshape(output["shape"])
    texts, place = [], 0
    while place < len(content):
        start = place + 4
        place = start + int.from_bytes(content[place:start], "little")
        texts.append(content[start:place].decode())
    return np.array(texts, dtype=object).reshape(output["shape"])


def array(value):
    """An expected or given value as the runner of ONNX takes it."""
    value = numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else np.asarray(value)
    return value.astype(object) if value.dtype.kind in "US" else value


def from_files(folder, model):
    """The data sets of a case that lies in the package as files."""
    sets = []
    for name in sorted(os.listdir(folder)):
        if not name.startswith("test_data_set"):
            continue
        found = []
        for kind, infos in (("input", model.graph.input), ("output", model.graph.output)):
            values = []
            while os.path.exists(path := os.path.join(folder, name, f"{kind}_{len(values)}.pb")):
                assert infos[len(values)].type.HasField("tensor_type"), "is no tensor"
                with open(path, "rb") as file:
                    values.append(numpy_helper.to_array(onnx.TensorProto.FromString(file.read())))
            found.append(values)
        sets.append(found)
    return sets


def run(host, case):
    """Raises what is wrong."""
    folder = os.path.join(MODELS, host.model)
    os.makedirs(os.path.join(folder, "1"))
    model = case.model or onnx.load(os.path.join(case.model_dir, "model.onnx"))
    with open(os.path.join(folder, "1", "model.onnx"), "wb") as file:
        file.write(model.SerializeToString())
    try:
        host.change("load")
        for inputs, expected in case.data_sets or from_files(case.model_dir, model):
            names = [info.name for info in model.graph.input]
            outputs = host.infer([(name, array(value)) for name, value in zip(names, inputs)])
            assert [name for name, _ in outputs] == [info.name for info in model.graph.output], "outputs differ"
            Runner.assert_similar_outputs(
                [array(value) for value in expected], [value for _, value in outputs], case.rtol, case.atol)
    finally:
        host.change("unload")
        shutil.rmtree(folder)


def fault(host, case):
    """What is wrong, on one line; nothing if nothing is."""
    try:
        run(host, case)
    except Exception as error:
        return f"{type(error).__name__}: {' '.join(str(error).split())}"


def read_exceptions():
    """[(glob of cases, part of how they fail)]; the file tells its form."""
    exceptions, words = [], None
    with open(EXCEPTIONS) as file:
        for line in file:
            if line.startswith(" "):
                exceptions.append((line.strip(), words))
            elif not line.startswith("#") and line.strip():
                words = line.strip()
    return [(glob, words) for glob, words in exceptions if not ("en_US.UTF-8" in words and has_us_locale())]


def has_us_locale():
    try:
        locale.setlocale(locale.LC_CTYPE, "en_US.UTF-8")
    except locale.Error:
        return False
    locale.setlocale(locale.LC_CTYPE, "C.UTF-8")
    return True


def main():
    cases = [case for kind in KINDS for case in load_model_tests(kind=kind)]
    exceptions = read_exceptions()
    unused = set(exceptions)
    host = Host()
    problems = excepted = 0
    with concurrent.futures.ThreadPoolExecutor(CONNECTIONS) as pool:
        for case, found in zip(cases, pool.map(lambda case: fault(host, case), cases)):
            expected = [(glob, words) for glob, words in exceptions if fnmatch.fnmatchcase(case.name, glob)]
            unused.difference_update(expected)
            excepted += bool(expected)
            if expected and not found:
                print(f"{case.name} works, but is an exception: {expected[0][1]}")
            elif expected and not any(words in found for _, words in expected):
                print(f"{case.name} fails in another way than {expected[0][1]!r}: {found}")
            elif found and not expected:
                print(f"{case.name}: {found}")
            else:
                continue
            problems += 1
    for glob, _ in unused:
        print(f"exception {glob} fits no case")
    print(f"ran {len(cases)}, excepted {excepted}")
    sys.exit(1 if problems or unused else 0)


main()
