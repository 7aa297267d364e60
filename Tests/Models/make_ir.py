"""make_ir.py DIR: writes the OpenVINO models (model.xml and model.bin) that the tests run. Needs the package openvino."""
import os
import sys

import numpy as np
import openvino as ov
from openvino import opset13 as ops
from openvino.op.util import Variable, VariableInfo

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
BASIC_PITCH = os.path.join(ROOT, ".stadion", "models", "basic_pitch", "1", "model.onnx")


class Folder:
    def __init__(self, path):
        self.path = path

    def save(self, name, model):
        folder = os.path.join(self.path, name)
        os.makedirs(folder, exist_ok=True)
        ov.save_model(model, os.path.join(folder, "model.xml"), compress_to_fp16=False)


def named(node, name):
    node.output(0).set_names({name})
    return node


def parameter(name, shape, type=np.float32):
    return named(ops.parameter(shape, type, name=name), name)


def model(name, outputs, inputs, sinks=()):
    return ov.Model([node.output(0) for node in outputs], list(sinks), inputs, name)


def computed(folder):
    x, y = parameter("x", [-1, 4]), parameter("y", [-1, 4])
    folder.save("add", model("add", [named(ops.add(x, y), "z")], [x, y]))
    # One to eight rows.
    x = parameter("x", ov.PartialShape([ov.Dimension(1, 8), ov.Dimension(4)]))
    folder.save("bounded", model("bounded", [named(ops.relu(x), "z")], [x]))
    # Integers of 64 bits are computed in 32.
    x, y = parameter("x", [-1], np.int64), parameter("y", [-1], np.int64)
    folder.save("add_i64", model("add_i64", [named(ops.add(x, y), "z")], [x, y]))
    x = parameter("x", [-1], np.uint32)
    folder.save("halve_u32", model("halve_u32", [named(ops.divide(x, np.uint32(2)), "z")], [x]))
    # The inner product of 64 numbers shows the precision that it is computed in.
    x = parameter("x", [1, 64])
    weights = ops.constant(np.float32([[1 + 1 / 1024] * 64]))
    folder.save("dot", model("dot", [named(ops.matmul(x, weights, False, True), "z")], [x]))
    # Large enough to see which of two runs is first, and for threads to share.
    x = parameter("x", [256, 256])
    node = x
    for _ in range(24):
        node = ops.tanh(ops.matmul(node, ops.constant(np.full((256, 256), 1 / 256, np.float32)), False, False))
    folder.save("layers", model("layers", [named(node, "z")], [x]))


def identities(folder):
    """Elements as they come, of each type that OpenVINO has a name for and the protocol too."""
    types = ("f32", "f16", "bf16", "f64", "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64", "boolean")
    for type in types:
        x = parameter("x", [-1], getattr(ov.Type, type))
        same = ops.reshape(x, ops.constant(np.int32([-1])), False)
        folder.save("identity_" + type.replace("boolean", "bool"), model("identity", [named(same, "z")], [x]))


def long(folder, count):
    """Many layers, each of some milliseconds."""
    x = parameter("x", [256, 512])
    weights = ops.constant(np.full((512, 512), 1 / 512, np.float32))
    node = x
    for _ in range(count):
        node = ops.tanh(ops.matmul(node, weights, False, False))
    folder.save("long", model("long", [named(node, "z")], [x]))


def stateful(folder):
    """Adds up what it is given, in a variable."""
    x = parameter("x", [4])
    info = VariableInfo()
    info.data_shape, info.data_type, info.variable_id = ov.PartialShape([4]), ov.Type.f32, "sum"
    variable = Variable(info)
    sum = ops.add(ops.read_value(ops.constant(np.zeros(4, np.float32)), variable), x)
    folder.save("sum", model("sum", [named(sum, "z")], [x], sinks=[ops.assign(sum, variable)]))


def nested(folder, depth):
    """If within If: OpenVINO's time to compile it doubles with each level."""
    def branch(level):
        x = ops.parameter([4], np.float32)
        more = ops.parameter([], np.bool_)
        if level == 0:
            return ov.Model([ops.relu(x)], [x, more], "leaf"), x, more
        return ov.Model([choice(x, more, level).output(0)], [x, more], f"level_{level}"), x, more

    def choice(x, more, level):
        node = ops.if_op(more.output(0))
        bodies = [branch(level - 1), branch(0)]
        for (body, _, _), place in zip(bodies, (node.set_then_body, node.set_else_body)):
            place(body)
        node.set_input(x.output(0), bodies[0][1], bodies[1][1])
        node.set_input(more.output(0), bodies[0][2], bodies[1][2])
        node.set_output(bodies[0][0].results[0], bodies[1][0].results[0])
        return node

    x, more = parameter("x", [4]), parameter("more", [], np.bool_)
    folder.save("nested", model("nested", [named(choice(x, more, depth), "z")], [x, more]))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    target = Folder(sys.argv[1])
    target.save("basic_pitch", ov.convert_model(BASIC_PITCH))
    computed(target)
    identities(target)
    long(target, count=1000)
    stateful(target)
    nested(target, depth=24)
