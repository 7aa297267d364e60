"""tritonclient_suite.py HOST:PORT: goes through tritonclient.http against a running host; see TritonClientTests.swift.

Each function is one fact. Prints a line for each; ends with 1 if one doesn't hold.
"""
import asyncio
import inspect
import sys
import time
import traceback

import ml_dtypes
import numpy as np
import tritonclient.http as http
import tritonclient.http.aio as aio
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

URL = sys.argv[1]
TYPES = {
    "BOOL": np.bool_, "UINT8": np.uint8, "UINT16": np.uint16, "UINT32": np.uint32, "UINT64": np.uint64,
    "INT8": np.int8, "INT16": np.int16, "INT32": np.int32, "INT64": np.int64, "FP16": np.float16,
    "FP32": np.float32, "FP64": np.float64, "BF16": ml_dtypes.bfloat16, "BYTES": np.object_,
}


def extremes(datatype):
    """Values that a slip of a type or a format would change."""
    kind = TYPES[datatype]
    if datatype == "BYTES":
        return np.array([b"", "größer".encode(), b"a\0b", b"\xff\xfe", b"x" * 70000], dtype=kind)
    if datatype == "BOOL":
        return np.array([True, False, True])
    if datatype in ("FP16", "BF16", "FP32", "FP64"):
        info = ml_dtypes.finfo(kind)
        return np.array([0.0, -0.0, 0.1, info.max, info.min, info.tiny, np.inf, -np.inf], dtype=kind)
    info = np.iinfo(kind)
    return np.array([info.min, 0, 1, info.max], dtype=kind)


def tensor(name, array, binary=True, kind=http.InferInput):
    given = kind(name, list(array.shape), np_to_triton_dtype(array.dtype))
    return given.set_data_from_numpy(array, binary_data=binary)


def refusal(call):
    try:
        call()
    except InferenceServerException as error:
        return error
    raise AssertionError("was not refused")


def server_and_model_are_live_and_ready(client):
    assert client.is_server_live() and client.is_server_ready()
    assert client.is_model_ready("pair") and client.is_model_ready("pair", "1")
    assert not client.is_model_ready("pair", "9") and not client.is_model_ready("nobody")


def metadata_names_tensors(client):
    server = client.get_server_metadata()
    assert server["name"] == "stadion" and "binary_tensor_data" in server["extensions"], server
    model = client.get_model_metadata("pair")
    assert model["versions"] == ["1"], model
    assert model["inputs"][0] == {"name": "A", "datatype": "FP32", "shape": [-1, 3]}, model
    assert [output["name"] for output in model["outputs"]] == ["A", "B"], model


def config_agrees_with_metadata(client):
    config = client.get_model_config("pair", "1")
    assert config["max_batch_size"] == 0 and config["name"] == "pair", config
    assert config["input"][1]["data_type"] == "TYPE_INT64" and config["input"][1]["dims"] == [-1], config
    assert client.get_model_config("type_BYTES")["input"][0]["data_type"] == "TYPE_STRING"


def repository_index_lists_every_version(client):
    rows = {row["name"]: row for row in client.get_model_repository_index()}
    assert rows["pair"]["state"] == "READY" and rows["pair"]["version"] == "1", rows


def unload_shows_at_once_and_load_brings_back(client):
    client.unload_model("spare")
    assert not client.is_model_ready("spare")
    assert {"name": "spare", "version": "1", "state": "UNAVAILABLE", "reason": "unloaded"} in \
        client.get_model_repository_index()
    client.load_model("spare")
    assert client.is_model_ready("spare")
    client.load_model("spare")
    error = refusal(lambda: client.load_model("nobody"))
    assert "failed to load" in error.message(), error


def statistics_count_answers(client):
    def count():
        return client.get_inference_statistics("spare")["model_stats"][0]["inference_stats"]["success"]["count"]

    before = count()
    for _ in range(3):
        client.infer("spare", [tensor("X", np.float32([1]))])
    assert count() == before + 3
    assert len(client.get_inference_statistics()["model_stats"]) > 10
    last = client.get_inference_statistics("spare", "1")["model_stats"][0]["last_inference"]
    assert abs(last / 1000 - time.time()) < 60, last


def every_type_travels_in_binary(client):
    for datatype in TYPES:
        sent = extremes(datatype)
        for array in (sent, sent[:0]):
            result = client.infer("type_" + datatype, [tensor("X", array)])
            got = result.as_numpy("X")
            assert got.shape == array.shape and got.astype(object).tolist() == array.astype(object).tolist(), datatype
            assert result.get_output("X")["datatype"] == datatype


def every_type_that_can_travels_as_json(client):
    for datatype in TYPES:
        if datatype in ("FP16", "BF16"):
            continue
        sent = extremes(datatype)
        if datatype == "BYTES":
            sent = np.array(["", "größer", 'quote " and \\', "\u0001", "😀"], dtype=object)
        elif datatype in ("FP32", "FP64"):
            sent = sent[np.isfinite(sent)]
        result = client.infer(
            "type_" + datatype, [tensor("X", sent, binary=False)],
            outputs=[http.InferRequestedOutput("X", binary_data=False)])
        assert "data" in result.get_output("X"), datatype
        got = result.as_numpy("X")
        if datatype == "BYTES":
            got = np.array([element.decode() if isinstance(element, bytes) else element for element in got], dtype=object)
        assert got.tolist() == sent.tolist(), (datatype, got, sent)


def half_floats_as_json_are_refused(client):
    wanted = [http.InferRequestedOutput("X", binary_data=False)]
    error = refusal(lambda: client.infer("type_FP16", [tensor("X", np.float16([1]))], outputs=wanted))
    assert error.status() == "400" and "binary_data" in error.message(), error


def requested_outputs_alone_come_back(client):
    inputs = [tensor("A", np.float32([[1, 2, 3]])), tensor("B", np.int64([4]), binary=False)]
    every = client.infer("pair", inputs, request_id="ünique", parameters={"note": "x", "n": 3})
    assert every.get_response()["id"] == "ünique"
    assert every.as_numpy("A").tolist() == [[1, 2, 3]] and every.as_numpy("B").tolist() == [4]
    one = client.infer("pair", inputs, model_version="1", outputs=[http.InferRequestedOutput("B")])
    assert one.as_numpy("A") is None and one.as_numpy("B").tolist() == [4]


def classes_come_with_labels(client):
    scores = tensor("X", np.float32([0.25, 8.5, -1, 3]))
    for binary in (True, False):
        wanted = [http.InferRequestedOutput("X", binary_data=binary, class_count=2)]
        top = client.infer("labelled", [scores], outputs=wanted).as_numpy("X")
        assert [bytes(x) if binary else x for x in top.tolist()] in (
            [b"8.500000:1:dog", b"3.000000:3:fox"], ["8.500000:1:dog", "3.000000:3:fox"]), top
    batch = tensor("A", np.float32([[1, 2, 3], [9, 8, 7]]))
    wanted = [http.InferRequestedOutput("A", class_count=1)]
    result = client.infer("pair", [batch, tensor("B", np.int64([0]))], outputs=wanted)
    assert result.as_numpy("A").tolist() == [[b"3.000000:2"], [b"9.000000:0"]], result.as_numpy("A")


def bodies_may_be_compressed_both_ways(client):
    array = np.zeros([100, 3], np.float32)
    inputs = [tensor("A", array), tensor("B", np.arange(5000))]
    for there in (None, "gzip", "deflate"):
        for back in (None, "gzip", "deflate"):
            result = client.infer(
                "pair", inputs, request_compression_algorithm=there, response_compression_algorithm=back)
            assert result.as_numpy("B").tolist() == list(range(5000)), (there, back)


def parallel_requests_get_their_own_answers(client):
    array = [np.full([2, 3], index, np.float32) for index in range(32)]
    calls = [client.async_infer("pair", [tensor("A", a), tensor("B", np.int64([7]))]) for a in array]
    for a, call in zip(array, calls):
        assert call.get_result().as_numpy("A").tolist() == a.tolist()


def static_helpers_speak_the_same_form(client):
    body, length = http.InferenceServerClient.generate_request_body([tensor("X", np.float32([5]))])
    import urllib.request
    request = urllib.request.Request(
        f"http://{URL}/v2/models/spare/infer", body, {"Inference-Header-Content-Length": str(length)})
    with urllib.request.urlopen(request) as answer:
        result = http.InferenceServerClient.parse_response_body(
            answer.read(), header_length=int(answer.headers["Inference-Header-Content-Length"]))
    assert result.as_numpy("X").tolist() == [5]


def refusals_name_field_and_values(client):
    x = np.float32([1, 2])
    spare = [
        ("404", "nobody", lambda: client.infer("nobody", [tensor("X", x)])),
        ("404", "version 7", lambda: client.infer("spare", [tensor("X", x)], model_version="7")),
        ("400", "'Y'", lambda: client.infer("spare", [tensor("Y", x)])),
        ("400", "INT32", lambda: client.infer("spare", [tensor("X", np.int32([1]))])),
        ("400", "[1, 2]", lambda: client.infer("spare", [tensor("X", x.reshape(1, 2))])),
        ("400", "'B'", lambda: client.infer("pair", [tensor("A", np.float32([[1, 2, 3]]))])),
        ("400", "'Z'", lambda: client.infer("spare", [tensor("X", x)], outputs=[http.InferRequestedOutput("Z")])),
        ("400", "already exists", lambda: client.infer("spare", [tensor("X", x), tensor("X", x)])),
        ("502", "out of order", lambda: client.infer("failing", [tensor("X", x)])),
        ("504", "deadline", lambda: client.infer("slow", [tensor("X", x)], timeout=20000)),
        ("404", "nobody", lambda: client.get_model_metadata("nobody")),
        ("404", "nobody", lambda: client.get_model_config("nobody")),
        ("404", "Not Found", lambda: client.get_cuda_shared_memory_status()),
    ]
    for status, words, call in spare:
        error = refusal(call)
        text = error.message().replace("[1,2]", "[1, 2]")
        assert error.status() == status and words in text, (status, words, error.status(), text)


def log_and_trace_settings_are_told(client):
    assert client.update_log_settings({"log_verbose_level": 1})["log_verbose_level"] == 1
    assert client.update_log_settings({"log_verbose_level": 0})["log_verbose_level"] == 0
    assert client.get_log_settings()["log_error"] is True
    assert client.get_trace_settings()["trace_level"] == ["OFF"]
    assert client.get_trace_settings("pair")["trace_level"] == ["OFF"]
    # Nowhere to send them.
    error = refusal(lambda: client.update_trace_settings(settings={"trace_level": ["TIMESTAMPS"]}))
    assert error.status() == "409" and "--trace-endpoint" in error.message(), error


def names_with_spaces_and_signs_are_reached(client):
    name = "a b%ü+c"
    assert client.is_model_ready(name)
    assert client.get_model_metadata(name)["name"] == name
    assert client.infer(name, [tensor("X", np.float32([1]))]).as_numpy("X").tolist() == [1]


async def the_asyncio_client_works_too():
    async with aio.InferenceServerClient(URL) as client:
        assert await client.is_server_ready() and await client.is_model_ready("pair")
        assert (await client.get_server_metadata())["name"] == "stadion"
        assert len(await client.get_model_repository_index()) > 10
        for there in (None, "gzip", "deflate"):
            result = await client.infer(
                "spare", [tensor("X", np.arange(3000, dtype=np.float32))], request_compression_algorithm=there,
                response_compression_algorithm=there)
            assert result.as_numpy("X")[2999] == 2999
        answers = await asyncio.gather(*[
            client.infer("spare", [tensor("X", np.float32([index]))]) for index in range(32)])
        assert [float(answer.as_numpy("X")[0]) for answer in answers] == list(range(32))
        try:
            await client.infer("nobody", [tensor("X", np.float32([1]))])
            raise AssertionError("was not refused")
        except InferenceServerException as error:
            assert error.status() == "404", error


FACTS = [
    server_and_model_are_live_and_ready, metadata_names_tensors, config_agrees_with_metadata,
    repository_index_lists_every_version, unload_shows_at_once_and_load_brings_back, statistics_count_answers,
    every_type_travels_in_binary, every_type_that_can_travels_as_json, half_floats_as_json_are_refused,
    requested_outputs_alone_come_back, classes_come_with_labels, bodies_may_be_compressed_both_ways,
    parallel_requests_get_their_own_answers, static_helpers_speak_the_same_form, refusals_name_field_and_values,
    log_and_trace_settings_are_told, names_with_spaces_and_signs_are_reached, the_asyncio_client_works_too,
]


def main():
    failures = 0
    for fact in FACTS:
        try:
            if inspect.iscoroutinefunction(fact):
                asyncio.run(fact())
            else:
                with http.InferenceServerClient(URL, concurrency=4) as client:
                    fact(client)
            print("ok", fact.__name__, flush=True)
        except Exception:
            failures += 1
            print("FAILED", fact.__name__, flush=True)
            traceback.print_exc(file=sys.stdout)
    sys.exit(1 if failures else 0)


main()
