"""make_tflite.py DIR: writes the small TFLite models that the tests run. Needs the packages of TensorFlow.

Most come out of TensorFlow's converter. Where it has no way to say what is wanted they are built operator by operator,
from the same schema.
"""
import os
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import flatbuffers
import numpy as np
import tensorflow as tf
from tensorflow.lite.python import schema_py_generated as schema

T = schema.TensorType
TYPES = {
    "f32": T.FLOAT32, "f16": T.FLOAT16, "bf16": T.BFLOAT16, "f64": T.FLOAT64, "i8": T.INT8, "i16": T.INT16,
    "i32": T.INT32, "i64": T.INT64, "u8": T.UINT8, "u16": T.UINT16, "u32": T.UINT32, "u64": T.UINT64, "bool": T.BOOL,
}
folder = sys.argv[1] if len(sys.argv) == 2 else sys.exit(__doc__)
os.makedirs(folder, exist_ok=True)


def write(name, data):
    with open(os.path.join(folder, name + ".tflite"), "wb") as file:
        file.write(data)


# -- From TensorFlow


def spec(name, shape, type=tf.float32):
    return tf.TensorSpec(shape, type, name)


def function(compute, *specs):
    module = tf.Module()
    module.compute = tf.function(compute, input_signature=list(specs))
    return module, module.compute.get_concrete_function()


def convert(name, compute, *specs, samples=None, type=None, operators=None, custom=False):
    """samples: inputs to find the ranges of whole numbers of `type` with."""
    module, concrete = function(compute, *specs)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], module)
    converter.allow_custom_ops = custom
    if operators:
        converter.target_spec.supported_ops = operators
    if samples:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = samples
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = type
    data = converter.convert()
    write(name, data)
    return data


def computed():
    rows = (spec("x", [None, 4]), spec("y", [None, 4]))
    convert("add", lambda x, y: {"z": x + y}, *rows)
    convert("two_outputs", lambda x, y: {"sum": x + y, "difference": x - y}, *rows)
    convert("scalar", lambda x: {"z": x + 1}, spec("x", []))
    convert("divide", lambda x, y: {"z": x // y}, spec("x", [4], tf.int32), spec("y", [4], tf.int32))
    table = tf.reshape(tf.range(40, dtype=tf.float32), [10, 4])
    convert("gather", lambda i: {"z": tf.gather(table, i)}, spec("i", [2], tf.int32))
    convert("branch", lambda c, x: {"z": tf.cond(c, lambda: x * 2, lambda: x - 1)}, spec("c", [], tf.bool),
            spec("x", [4]))
    # Goes on until n steps are done; with the largest n for hours.
    convert("loop", lambda n, x: {"z": tf.while_loop(
        lambda i, a: i < n, lambda i, a: (i + 1, tf.tanh(a @ a)), [0, x])[1]}, spec("n", [], tf.int32),
            spec("x", [64, 64]))
    # For ever, unless x is negative: no run with harmless inputs ends.
    convert("endless", lambda x: {"z": tf.while_loop(lambda a: a[0] >= 0, lambda a: [tf.abs(a)], [x])[0]},
            spec("x", [4]))


def nested(depth):
    """z is x, negated within `depth` Ifs if c is true."""
    def level(c, x, n):
        return tf.cond(c, lambda: level(c, x, n - 1), lambda: tf.identity(x)) if n else -x

    convert("nested", lambda c, x: {"z": level(c, x, depth)}, spec("c", [], tf.bool), spec("x", [2]))


def of_unknown_shape():
    convert("fill", lambda s: {"z": tf.fill(s, 1.0)}, spec("s", [2], tf.int32))
    convert("where", lambda x: {"z": tf.where(x > 0)}, spec("x", [8]))
    # As in many real models: the shape is the batch and two numbers, but LiteRT can't know it.
    convert("reshape", lambda x: {"z": tf.reshape(x * 2, [tf.shape(x)[0], 2, 3])}, spec("x", [None, 6]))


def quantized():
    random = np.random.RandomState(0)
    weights = tf.constant(random.randn(3, 3, 1, 8).astype("f") * 0.3)
    last = tf.constant(random.randn(8 * 14 * 14, 10).astype("f") * 0.05)

    def classify(image):
        hidden = tf.nn.max_pool2d(tf.nn.relu(tf.nn.conv2d(image, weights, 1, "SAME")), 2, 2, "SAME")
        return {"logits": tf.reshape(hidden, [-1, 8 * 14 * 14]) @ last}

    def samples():
        for _ in range(20):
            yield [random.rand(1, 28, 28, 1).astype("f")]

    convert("cnn", classify, spec("image", [None, 28, 28, 1]))
    for name, type in (("int8", tf.int8), ("uint8", tf.uint8)):
        random.seed(1)
        convert("cnn_" + name, classify, spec("image", [1, 28, 28, 1]), samples=samples, type=type)


def signatures():
    module = tf.Module()
    module.one = tf.Variable(tf.ones([4]))
    module.encode = tf.function(lambda x: {"z": x + module.one}, input_signature=[spec("x", [1, 4])])
    module.decode = tf.function(lambda q: {"w": q * 3, "u": q - module.one}, input_signature=[spec("q", [2, 4])])
    saved = os.path.join(folder, "saved")
    tf.saved_model.save(module, saved, signatures={"encode": module.encode, "decode": module.decode})
    converter = tf.lite.TFLiteConverter.from_saved_model(saved, signature_keys=["encode", "decode"])
    write("signatures", converter.convert())
    tf.io.gfile.rmtree(saved)


def with_state():
    saved = os.path.join(folder, "saved")
    module = tf.Module()
    module.sum = tf.Variable(tf.zeros([4]))
    # z = x + what z was in the run before.
    module.count = tf.function(lambda x: {"z": module.sum.assign_add(x)}, input_signature=[spec("x", [4])])
    tf.saved_model.save(module, saved, signatures={"serving_default": module.count})
    converter = tf.lite.TFLiteConverter.from_saved_model(saved, signature_keys=["serving_default"])
    converter.experimental_enable_resource_variables = True
    write("counter", converter.convert())
    tf.io.gfile.rmtree(saved)


def of_foreign_operators():
    def strange(x):
        return {"z": tf.raw_ops.Betainc(a=x, b=x, x=x)}

    convert("custom", strange, spec("x", [4]), custom=True)
    flex = [tf.lite.OpsSet.TFLITE_BUILTINS, tf.lite.OpsSet.SELECT_TF_OPS]
    convert("flex", lambda x: {"z": tf.linalg.inv(x)}, spec("x", [2, 2]), operators=flex)
    convert("text", lambda x: {"z": tf.strings.join([x, x])}, spec("x", [2], tf.string), operators=flex)


# -- Built by hand


def tensor(name, type, shape, buffer=0):
    """-1 in a shape: a dimension that the model leaves open."""
    made = schema.TensorT()
    made.name, made.type, made.buffer = name, type, buffer
    made.shape = np.int32(np.abs(shape))
    if -1 in shape:
        made.shapeSignature, made.hasRank = np.int32(shape), True  # LiteRT wants both
    return made


def operator(code, inputs, outputs, options=None, options_type=0):
    made = schema.OperatorT()
    made.opcodeIndex, made.inputs, made.outputs = code, np.int32(inputs), np.int32(outputs)
    made.builtinOptions, made.builtinOptionsType = options, options_type
    return made


def model(name, tensors, inputs, outputs, operators, constants=(), codes=(), signature=True):
    """Saves a model of one graph. It isn't checked, as some are wrong on purpose. Returns its bytes."""
    graph = schema.SubGraphT()
    graph.tensors, graph.operators, graph.name = tensors, operators, "main"
    graph.inputs, graph.outputs = np.int32(list(inputs.values())), np.int32(list(outputs.values()))
    made = schema.ModelT()
    made.version, made.description, made.subgraphs = 3, "stadion tests", [graph]
    made.buffers = [schema.BufferT()]
    for constant in constants:
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(constant.tobytes(), np.uint8)
        made.buffers.append(buffer)
    made.operatorCodes = []
    for code in codes:
        entry = schema.OperatorCodeT()
        entry.builtinCode, entry.deprecatedBuiltinCode, entry.version = code, min(code, 127), 1
        made.operatorCodes.append(entry)
    if signature:
        entry = schema.SignatureDefT()
        entry.signatureKey, entry.subgraphIndex = "serving_default", 0
        entry.inputs, entry.outputs = tensor_map(inputs), tensor_map(outputs)
        made.signatureDefs = [entry]
    builder = flatbuffers.Builder(1024)
    builder.Finish(made.Pack(builder), b"TFL3")
    data = bytes(builder.Output())
    write(name, data)
    return data


def tensor_map(names):
    maps = []
    for name, index in names.items():
        entry = schema.TensorMapT()
        entry.name, entry.tensorIndex = name, index
        maps.append(entry)
    return maps


def reshape(name, type, shape, to):
    return model(name, [tensor("x", type, shape), tensor("s", T.INT32, [len(to)], 1), tensor("z", type, to)], {"x": 0},
                 {"z": 2}, [operator(0, [0, 1], [2])], [np.int32(to)], [schema.BuiltinOperator.RESHAPE])


def by_hand():
    for name, type in TYPES.items():
        reshape("reshape_" + name, type, [1, 3], [3])
        reshape("identity_" + name, type, [-1], [-1])
    reshape("identity_utf8", T.STRING, [-1], [-1])
    reshape("int4", T.INT4, [1, 4], [4])
    reshape("complex", T.COMPLEX64, [1, 3], [3])
    reshape("rank9", T.FLOAT32, [1] * 9, [1])
    # Outputs that are no tensors of their own.
    x, absolute = tensor("x", T.FLOAT32, [1, 4]), tensor("a", T.FLOAT32, [1, 4])
    abs_code = [schema.BuiltinOperator.ABS]
    model("passed_on", [x, absolute], {"x": 0}, {"input": 0, "absolute": 1}, [operator(0, [0], [1])], codes=abs_code)
    model("same_tensors", [x, absolute], {"x": 0}, {"one": 1, "two": 1}, [operator(0, [0], [1])], codes=abs_code)
    model("no_signature", [x, absolute], {"x": 0}, {"a": 1}, [operator(0, [0], [1])], codes=abs_code, signature=False)
    # 4 TiB each.
    vast = [tensor(name, T.FLOAT32, [1 << 20, 1 << 20]) for name in ("x", "a")]
    model("huge", vast, {"x": 0}, {"a": 1}, [operator(0, [0], [1])], codes=abs_code)
    vast = [tensor("x", T.FLOAT32, [1, 4]), tensor("s", T.INT32, [2], 1), tensor("z", T.FLOAT32, [1 << 20, 1 << 20])]
    model("huge_output", vast, {"x": 0}, {"z": 2}, [operator(0, [0, 1], [2])], [np.int32([1 << 20, 1 << 20])],
          [schema.BuiltinOperator.BROADCAST_TO])
    model("no_operator", [x, absolute], {"x": 0}, {"z": 1}, [operator(0, [0], [1])], codes=[999])


def broken():
    good = reshape("tiny", T.FLOAT32, [1, 3], [3])
    write("empty", b"")
    write("garbage", bytes(range(256)) * 8)
    write("truncated", good[: len(good) // 2])
    write("head", b"\x1c\0\0\0TFL3" + bytes(64))
    write("text_file", b"this is not a model\n")


nested(20)
for make in (computed, of_unknown_shape, quantized, signatures, with_state, of_foreign_operators, by_hand, broken):
    make()
