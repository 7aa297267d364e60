"""The work of scripts/tflite-static: tflite_static.py IN OUT SIZE."""
import os
import sys

import flatbuffers
import numpy as np
import schema_py_generated as schema

SHAPE_OPERAND = 1  # of RESHAPE


def fix_shapes(graph, size):
    """Gives every open dimension of a graph the size."""
    for tensor in graph.tensors:
        if tensor.shapeSignature is None:
            continue
        pairs = zip(tensor.shapeSignature, tensor.shape)
        tensor.shape = np.int32([size if open == -1 and fixed == 1 else fixed for open, fixed in pairs])
        tensor.shapeSignature = None


def is_constant(model, tensor):
    data = model.buffers[tensor.buffer].data
    return data is not None and len(data) > 0


def add_constant(model, graph, values):
    """Adds a tensor of int32; returns its index."""
    buffer, tensor = schema.BufferT(), schema.TensorT()
    buffer.data = np.frombuffer(np.int32(values).tobytes(), np.uint8)
    model.buffers.append(buffer)
    tensor.name, tensor.type = f"fixed_shape_{len(graph.tensors)}", schema.TensorType.INT32
    tensor.shape, tensor.buffer = np.int32([len(values)]), len(model.buffers) - 1
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


def freeze_reshapes(model, graph):
    """Makes the target of each RESHAPE the shape that its output declares. Returns how many were computed before."""
    frozen = 0
    for operator in graph.operators:
        code = model.operatorCodes[operator.opcodeIndex]
        if max(code.builtinCode, code.deprecatedBuiltinCode) != schema.BuiltinOperator.RESHAPE:
            continue
        if len(operator.inputs) <= SHAPE_OPERAND or is_constant(model, graph.tensors[operator.inputs[SHAPE_OPERAND]]):
            continue
        source, target = graph.tensors[operator.inputs[0]], graph.tensors[operator.outputs[0]]
        if np.prod(source.shape) != np.prod(target.shape):
            sys.exit(f"{target.name}: the file declares shape {list(target.shape)} for what is made of {list(source.shape)}"
                     "; the shape depends on values, which only OpenVINO serves")
        operator.inputs[SHAPE_OPERAND] = add_constant(model, graph, target.shape)
        frozen += 1
    return frozen


def drop_unread(graph):
    """Removes operators whose outputs nobody reads any more: those that computed the shapes."""
    while True:
        read = set(graph.outputs).union(*(operator.inputs for operator in graph.operators))
        kept = [operator for operator in graph.operators if not len(operator.outputs) or read & set(operator.outputs)]
        if len(kept) == len(graph.operators):
            return
        graph.operators = kept


def main(source, target, size):
    with open(source, "rb") as file:
        data = file.read()
    if data[4:8] != b"TFL3":
        sys.exit(f"{source} is no TFLite file (no TFL3 at byte 4)")
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(bytearray(data), 0))
    frozen = 0
    for graph in model.subgraphs:
        fix_shapes(graph, size)
        frozen += freeze_reshapes(model, graph)
        drop_unread(graph)
    builder = flatbuffers.Builder(len(data))
    builder.Finish(model.Pack(builder), b"TFL3")
    with open(target + ".part", "wb") as file:
        file.write(builder.Output())
    os.replace(target + ".part", target)
    print(f"{target}: {frozen} reshapes fixed")


main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
