"""make_onnx.py DIR: writes the small ONNX models that the tests run. Needs the packages onnx and numpy."""
import os
import sys

import numpy as np
import onnx
from onnx import TensorProto as T
from onnx import helper, numpy_helper

TYPES = {
    "f32": T.FLOAT, "f16": T.FLOAT16, "bf16": T.BFLOAT16, "f64": T.DOUBLE, "i8": T.INT8, "i16": T.INT16,
    "i32": T.INT32, "i64": T.INT64, "u8": T.UINT8, "u16": T.UINT16, "u32": T.UINT32, "u64": T.UINT64,
    "bool": T.BOOL, "utf8": T.STRING,
}


def value(name, type, shape):
    return helper.make_tensor_value_info(name, type, shape)


def node(kind, inputs, outputs, **attributes):
    return helper.make_node(kind, inputs.split(), outputs.split(), **attributes)


def constant(name, array):
    return numpy_helper.from_array(np.asarray(array), name)


class Folder:
    def __init__(self, path):
        self.path = path
        os.makedirs(path, exist_ok=True)

    def bytes(self, name, data):
        with open(os.path.join(self.path, name + ".onnx"), "wb") as file:
            file.write(data)

    def model(self, name, nodes, inputs, outputs, constants=(), opset=17, **fields):
        """Saves a model. It isn't checked, as some are wrong on purpose. Returns its bytes."""
        graph = helper.make_graph(nodes, name, inputs, outputs, list(constants))
        model = helper.make_model(
            graph, producer_name="stadion tests", opset_imports=[helper.make_opsetid("", opset)])
        model.ir_version = 10
        helper.set_model_props(model, fields.pop("properties", {}))
        for key, content in fields.items():
            setattr(model, key, content)
        data = model.SerializeToString()
        self.bytes(name, data)
        return data


def identities(folder):
    def identity(name, type, shape):
        return folder.model(
            name, [node("Identity", "INPUT0", "OUTPUT0")], [value("INPUT0", type, shape)],
            [value("OUTPUT0", type, shape)])

    identity("identity", T.FLOAT, ["N", 16])
    identity("identity_image", T.FLOAT, [1, 3, 224, 224])
    identity("scalar", T.FLOAT, [])
    identity("static", T.FLOAT, [2, 3])
    identity("unnamed", T.FLOAT, [None, 2])
    for short, type in TYPES.items():
        identity("identity_" + short, type, ["N"])
    for name, type in (("float8", T.FLOAT8E4M3FN), ("int4", T.INT4)):
        folder.model(name, [node("Cast", "x", "z", to=T.FLOAT)], [value("x", type, ["N"])],
                     [value("z", T.FLOAT, ["N"])], opset=21)
    identity("rank9", T.FLOAT, [1] * 9)


def computed(folder):
    pair = [value("x", T.FLOAT, ["batch", 4]), value("y", T.FLOAT, ["batch", 4])]
    folder.model(
        "add", [node("Add", "x y", "z")], pair, [value("z", T.FLOAT, ["batch", 4])], doc_string="adds",
        domain="org.stadion.tests", model_version=7, properties={"author": "us", "labels": "a,b"})
    folder.model("two_outputs", [node("Add", "x y", "sum"), node("Sub", "x y", "difference")], pair,
                 [value("sum", T.FLOAT, ["batch", 4]), value("difference", T.FLOAT, ["batch", 4])])
    folder.model("concat_text", [node("StringConcat", "x y", "z")],
                 [value("x", T.STRING, ["n"]), value("y", T.STRING, ["n"])], [value("z", T.STRING, ["n"])], opset=20)
    folder.model("nonzero", [node("NonZero", "x", "z")], [value("x", T.FLOAT, ["n"])],
                 [value("z", T.INT64, [1, "found"])])
    # Says that z is as long as x, though it is twice as long.
    folder.model("liar", [node("Concat", "x x", "z", axis=0)], [value("x", T.FLOAT, ["n"])],
                 [value("z", T.FLOAT, ["n"])])
    folder.model("any_rank", [node("Reshape", "x s", "z")], [value("x", T.FLOAT, ["n"]), value("s", T.INT64, ["r"])],
                 [value("z", T.FLOAT, None)])
    folder.model("divide", [node("Div", "x y", "z")], [value("x", T.INT32, [4]), value("y", T.INT32, [4])],
                 [value("z", T.INT32, [4])])
    folder.model("constant", [node("Identity", "c", "z")], [], [value("z", T.FLOAT, [3])],
                 [constant("c", np.float32([1, 2, 3]))])
    folder.model("sequence", [node("SplitToSequence", "x", "z", axis=0)], [value("x", T.FLOAT, [3, 2])],
                 [helper.make_tensor_sequence_value_info("z", T.FLOAT, None)])


def shapes(folder):
    folder.model("any_shape", [node("Identity", "x", "z")], [value("x", T.FLOAT, None)], [value("z", T.FLOAT, None)])
    folder.model("product", [node("MatMul", "x y", "z")],
                 [value("x", T.FLOAT, ["rows", "inner"]), value("y", T.FLOAT, ["inner", "columns"])],
                 [value("z", T.FLOAT, ["rows", "columns"])])
    # The weight is an input too: with a default, which a caller need not give.
    folder.model("default_weight", [node("Add", "x w", "z")], [value("x", T.FLOAT, [3]), value("w", T.FLOAT, [3])],
                 [value("z", T.FLOAT, [3])], [constant("w", np.float32([10, 20, 30]))])
    # x in steps of 0.5 with 128 as zero, times a weight in int8, as quantising tools write it.
    folder.model(
        "quantised",
        [node("QuantizeLinear", "x scale zero", "q"), node("DequantizeLinear", "q scale zero", "d"),
         node("DequantizeLinear", "w w_scale w_zero", "v"), node("MatMul", "d v", "z")],
        [value("x", T.FLOAT, ["batch", 2])], [value("z", T.FLOAT, ["batch", 1])],
        [constant("scale", np.float32(0.5)), constant("zero", np.uint8(128)),
         constant("w", np.int8([[2], [-4]])), constant("w_scale", np.float32(0.25)), constant("w_zero", np.int8(0))])


def controlled(folder):
    def branch(operator):
        return helper.make_graph([node(operator, "x", operator)], operator, [], [value(operator, T.FLOAT, ["n"])])

    folder.model("branch", [node("If", "negate", "z", then_branch=branch("Neg"), else_branch=branch("Identity"))],
                 [value("negate", T.BOOL, []), value("x", T.FLOAT, ["n"])], [value("z", T.FLOAT, ["n"])])
    body = helper.make_graph(
        [node("Add", "a x", "b"), node("Identity", "b", "row"), node("Identity", "going", "go")], "body",
        [value("step", T.INT64, []), value("going", T.BOOL, []), value("a", T.FLOAT, [2])],
        [value("go", T.BOOL, []), value("b", T.FLOAT, [2]), value("row", T.FLOAT, [2])])
    folder.model("multiples", [helper.make_node("Loop", ["steps", "", "zero"], ["last", "rows"], body=body)],
                 [value("steps", T.INT64, []), value("x", T.FLOAT, [2])],
                 [value("last", T.FLOAT, [2]), value("rows", T.FLOAT, ["steps", 2])],
                 [constant("zero", np.float32([0, 0]))])
    body = helper.make_graph(
        [node("Add", "a x", "b"), node("Identity", "b", "sum")], "body",
        [value("a", T.FLOAT, []), value("x", T.FLOAT, [])], [value("b", T.FLOAT, []), value("sum", T.FLOAT, [])])
    folder.model("running_sum", [node("Scan", "start x", "total sums", body=body, num_scan_inputs=1)],
                 [value("start", T.FLOAT, []), value("x", T.FLOAT, ["n"])],
                 [value("total", T.FLOAT, []), value("sums", T.FLOAT, ["n"])])


def endless(folder):
    """Models that take long: to run, as long as `more` says; in one operator, which no cancel ends; to load."""
    body = helper.make_graph(
        [node("Identity", "going", "go"), node("Tanh", "a", "b")], "body",
        [value("step", T.INT64, []), value("going", T.BOOL, []), value("a", T.FLOAT, [64])],
        [value("go", T.BOOL, []), value("b", T.FLOAT, [64])])
    folder.model("loop", [node("Loop", "steps more x", "z", body=body)],
                 [value("steps", T.INT64, []), value("more", T.BOOL, []), value("x", T.FLOAT, [64])],
                 [value("z", T.FLOAT, [64])])
    # Boxes without an area suppress none: each of `n` is compared with all before it, in 20 bytes of memory a box.
    folder.model("suppression", [
        node("Concat", "one n four", "box_sizes", axis=0), node("ConstantOfShape", "box_sizes", "boxes"),
        node("Concat", "one one n", "score_sizes", axis=0), node("ConstantOfShape", "score_sizes", "scores"),
        node("NonMaxSuppression", "boxes scores all", "z"),
    ], [value("n", T.INT64, [1])], [value("z", T.INT64, ["k", 3])], [
        constant("one", np.array([1], np.int64)), constant("four", np.array([4], np.int64)),
        constant("all", np.array([2**62], np.int64)),
    ])
    # Each function calls the one before it twice: the engine writes out 2^40 nodes.
    domain = "org.stadion.tests"
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid(domain, 1)]
    calls = [("Neg", "")] + [(f"twice{level}", domain) for level in range(40)]
    functions = [
        helper.make_function(domain, f"twice{level}", ["x"], ["z"], [
            helper.make_node(name, ["x"], ["y"], domain=place), helper.make_node(name, ["y"], ["z"], domain=place),
        ], opsets) for level, (name, place) in enumerate(calls[:-1])]
    graph = helper.make_graph([helper.make_node(calls[-1][0], ["x"], ["z"], domain=domain)], "laughs",
                              [value("x", T.FLOAT, ["n"])], [value("z", T.FLOAT, ["n"])])
    model = helper.make_model(graph, opset_imports=opsets, functions=functions)
    model.ir_version = 10
    folder.bytes("laughs", model.SerializeToString())


def broken(folder):
    good = folder.model("tiny", [node("Add", "x w", "z")], [value("x", T.FLOAT, [4])], [value("z", T.FLOAT, [4])],
                        [constant("w", np.float32([1, 2, 3, 4]))])
    folder.bytes("empty", b"")
    folder.bytes("garbage", bytes(range(256)) * 8)
    folder.bytes("truncated", good[: len(good) // 2])
    folder.bytes("text", b"this is not a model\n")
    folder.model("unknown_operator", [node("NoSuchOperator", "x", "z")], [value("x", T.FLOAT, [4])],
                 [value("z", T.FLOAT, [4])])
    folder.model("cycle", [node("Add", "x b", "a"), node("Add", "a x", "b")], [value("x", T.FLOAT, [4])],
                 [value("b", T.FLOAT, [4])])
    lie = helper.make_tensor("w", T.FLOAT, [4], np.zeros(4, np.float32).tobytes(), raw=True)
    lie.dims[0] = 1 << 40
    folder.model("too_few_weights", [node("Add", "x w", "z")], [value("x", T.FLOAT, [4])],
                 [value("z", T.FLOAT, [4])], [lie])


def contradictory(folder):
    # Weights for 4 hidden numbers, and an attribute that says so many more.
    weights = [constant(name, np.ones(shape, np.float32)) for name, shape in (("w", [1, 16, 3]), ("r", [1, 16, 4]))]
    folder.model("lstm", [node("LSTM", "x w r", "y", hidden_size=1 << 20)],
                 [value("x", T.FLOAT, [5, 1, 3])], [value("y", T.FLOAT, [5, 1, 1, 4])], weights)


def oversized(folder):
    """Small files that ask for terabytes: when they are loaded, or when they run."""
    folder.model("huge_input", [node("Identity", "x", "z")], [value("x", T.FLOAT, [1 << 40, 1 << 40])],
                 [value("z", T.FLOAT, [1 << 40, 1 << 40])])
    folder.model("huge_output", [node("Reshape", "x s", "z")],
                 [value("x", T.FLOAT, ["n"]), value("s", T.INT64, [1])], [value("z", T.FLOAT, [1 << 40])])
    folder.model("huge_constant", [node("ConstantOfShape", "s", "c"), node("ReduceSum", "c", "z", keepdims=0)], [],
                 [value("z", T.FLOAT, [])], [constant("s", np.int64([1 << 40]))])
    folder.model("fill", [node("ConstantOfShape", "s", "c"), node("ReduceSum", "c", "z", keepdims=0)],
                 [value("s", T.INT64, ["r"])], [value("z", T.FLOAT, [])])
    for depth in (20, 30):
        def branch(level, operator):
            name = f"{operator}{level}"
            inner = node(operator, "x", name) if level == 0 else node(
                "If", "c", name, then_branch=branch(level - 1, "Neg"), else_branch=branch(0, "Abs"))
            return helper.make_graph([inner], name, [], [value(name, T.FLOAT, ["n"])])
        folder.model(f"nested_{depth}", branch(depth, "Neg").node, [value("c", T.BOOL, []), value("x", T.FLOAT, ["n"])],
                     [value(f"Neg{depth}", T.FLOAT, ["n"])])


def outside(folder):
    """Weights in other files: beside the model, as they should be, and where a model has no business."""
    places = {"beside": "weights.bin", "above": "../../../../../../../../etc/passwd", "absolute": "/etc/passwd"}
    for name, place in places.items():
        weight = onnx.TensorProto(name="w", data_type=T.UINT8, dims=[4], data_location=T.EXTERNAL)
        for key, content in (("location", place), ("offset", "0"), ("length", "4")):
            weight.external_data.add(key=key, value=content)
        folder.model("weights_" + name, [node("Identity", "w", "z")], [], [value("z", T.UINT8, [4])], [weight])


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    target = Folder(sys.argv[1])
    identities(target)
    computed(target)
    shapes(target)
    controlled(target)
    endless(target)
    broken(target)
    contradictory(target)
    oversized(target)
    outside(target)
