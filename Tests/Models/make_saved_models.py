"""make_saved_models.py DIR: writes the small SavedModels that the tests run. Needs the package tensorflow_cpu."""
import os
import shutil
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

TYPES = {
    "f32": tf.float32, "f16": tf.float16, "bf16": tf.bfloat16, "f64": tf.float64, "i8": tf.int8, "i16": tf.int16,
    "i32": tf.int32, "i64": tf.int64, "u8": tf.uint8, "u16": tf.uint16, "u32": tf.uint32, "u64": tf.uint64,
    "bool": tf.bool, "utf8": tf.string,
}
FLOAT = tf.float32


def spec(name, type, shape):
    return tf.TensorSpec(shape, type, name)


class Folder:
    def __init__(self, path):
        self.path = path
        os.makedirs(path, exist_ok=True)

    def file(self, name, *parts):
        return os.path.join(self.path, name, *parts)

    def save(self, name, module, **signatures):
        """Saves functions as the signatures of a module."""
        module.kept = list(signatures.values())
        tf.saved_model.save(module, self.file(name), signatures=signatures)

    def model(self, name, body, *inputs, module=None):
        """Saves one function as serving_default."""
        self.save(name, module or tf.Module(), serving_default=tf.function(body, input_signature=inputs))

    def change(self, name, original, edit):
        """Saves a copy whose first meta graph was edited."""
        shutil.copytree(self.file(original), self.file(name))
        path = self.file(name, "saved_model.pb")
        saved = saved_model_pb2.SavedModel()
        with open(path, "rb") as file:
            saved.ParseFromString(file.read())
        edit(saved.meta_graphs[0])
        with open(path, "wb") as file:
            file.write(saved.SerializeToString())

    def rewrite(self, name, original, edit):
        """Saves a copy whose saved_model.pb has other bytes."""
        shutil.copytree(self.file(original), self.file(name))
        path = self.file(name, "saved_model.pb")
        with open(path, "rb") as file:
            data = file.read()
        with open(path, "wb") as file:
            file.write(edit(data))


def identities(folder):
    def identity(name, type, shape):
        folder.model(name, lambda INPUT0: {"OUTPUT0": tf.identity(INPUT0)}, spec("INPUT0", type, shape))

    identity("identity", FLOAT, [None, 16])
    identity("identity_image", FLOAT, [1, 3, 224, 224])
    identity("scalar", FLOAT, [])
    identity("static", FLOAT, [2, 3])
    identity("any_rank", FLOAT, None)
    identity("rank9", FLOAT, [1] * 9)
    for short, type in TYPES.items():
        identity("identity_" + short, type, [None])
    for name, type in (("complex", tf.complex64), ("qint8", tf.qint8)):
        identity(name, type, [None])


def computed(folder):
    pair = [spec("x", FLOAT, [None, 4]), spec("y", FLOAT, [None, 4])]
    folder.model("add", lambda x, y: {"z": x + y}, *pair)
    folder.model("two_outputs", lambda x, y: {"sum": x + y, "difference": x - y}, *pair)
    folder.model("constant", lambda: {"z": tf.constant([1.0, 2, 3])})
    folder.model("nonzero", lambda x: {"z": tf.where(x)}, spec("x", FLOAT, [None]))
    folder.model("fill", lambda s: {"z": tf.fill(s, 1.0)}, spec("s", tf.int64, [2]))
    folder.model("divide", lambda x, y: {"z": x // y}, spec("x", tf.int32, [4]), spec("y", tf.int32, [4]))
    folder.model("text", lambda text: {"upper": tf.strings.upper(text), "length": tf.strings.length(text)},
                 spec("text", tf.string, [None]))
    folder.model("read_file", lambda path: {"content": tf.io.read_file(path)}, spec("path", tf.string, []))

    def loop(steps, x):
        return {"z": tf.while_loop(lambda i, a: i < steps, lambda i, a: (i + 1, tf.tanh(a @ a)), [0, x])[1]}

    folder.model("loop", loop, spec("steps", tf.int32, []), spec("x", FLOAT, [64, 64]))

    def level(c, x, depth):
        return tf.cond(c, lambda: level(c, x, depth - 1), lambda: tf.identity(x)) if depth else -x

    folder.model("nested", lambda c, x: {"z": level(c, x, 20)}, spec("c", tf.bool, []), spec("x", FLOAT, [2]))
    folder.model("huge", lambda x: {"z": x + 1}, spec("x", FLOAT, [1 << 20, 1 << 20]))
    folder.model("huge_output", lambda x: {"z": tf.broadcast_to(x, [1 << 20, 1 << 20])}, spec("x", FLOAT, [1]))
    table = tf.Module()
    words = tf.lookup.KeyValueTensorInitializer(tf.constant(["cat", "dog"]), tf.constant([7, 8], tf.int64))
    table.table = tf.lookup.StaticHashTable(words, -1)
    folder.model("table", lambda word: {"number": table.table.lookup(word)}, spec("word", tf.string, [None]),
                 module=table)


def signatures(folder):
    def times(factor):
        return tf.function(lambda x: {"y": x * factor}, input_signature=[spec("x", FLOAT, [None])])

    folder.save("several", tf.Module(), encode=times(2.0), decode=times(0.5))
    folder.save("several_with_default", tf.Module(), serving_default=times(3.0), other=times(4.0))
    folder.save("one_of_another_name", tf.Module(), only=times(5.0))
    tf.saved_model.save(tf.Module(), folder.file("no_signature"))


def variables(folder):
    weights = tf.Module()
    weights.w = tf.Variable([1.0, 2, 3, 4])
    folder.model("weights", lambda x: {"y": x * weights.w}, spec("x", FLOAT, [None, 4]), module=weights)
    shutil.copytree(folder.file("weights"), folder.file("no_variables"))
    shutil.rmtree(folder.file("no_variables", "variables"))
    shutil.copytree(folder.file("weights"), folder.file("no_shard"))
    os.remove(folder.file("no_shard", "variables", "variables.data-00000-of-00001"))
    shutil.copytree(folder.file("weights"), folder.file("short_shard"))
    with open(folder.file("short_shard", "variables", "variables.data-00000-of-00001"), "r+b") as file:
        file.truncate(3)

    # What was assigned in one run is answered in the next.
    def remember(module, x):
        before = tf.identity(module.last.read_value())
        with tf.control_dependencies([before]):
            module.last.assign(x)
        return before

    keeper = tf.Module()
    keeper.last = tf.Variable(tf.zeros([64]))
    folder.model("keeper", lambda x: {"before": remember(keeper, x)}, spec("x", FLOAT, [64]), module=keeper)


def broken(folder):
    def info(meta, output=False):
        signature = meta.signature_def["serving_default"]
        return signature.outputs["z"] if output else signature.inputs["x"]

    def set_field(**fields):
        def edit(meta):
            for key, value in fields.items():
                setattr(info(meta), key, value)
        return edit

    folder.change("wrong_type", "add", set_field(dtype=tf.int32.as_datatype_enum))
    folder.change("unknown_operation", "add", set_field(name="nothing:0"))
    folder.change("unknown_output", "add", set_field(name="serving_default_x:1"))
    folder.change("negative_output", "add", set_field(name="serving_default_x:-1"))
    folder.change("sparse", "add", lambda meta: info(meta).coo_sparse.SetInParent())
    folder.change("other_tags", "add", lambda meta: meta.meta_info_def.tags.__setitem__(0, "mine"))

    def unknown_kind(meta):
        meta.graph_def.library.function[0].node_def[0].op = "NoSuchOperation"

    folder.change("unknown_kind", "add", unknown_kind)
    folder.rewrite("truncated", "add", lambda data: data[:len(data) // 2])
    folder.rewrite("empty", "add", lambda data: b"")
    folder.rewrite("garbage", "add", lambda data: np.random.RandomState(1).bytes(len(data)))
    shutil.copytree(folder.file("add"), folder.file("no_graph"))
    os.remove(folder.file("no_graph", "saved_model.pb"))


if __name__ == "__main__":
    models = Folder(sys.argv[1])
    for part in (identities, computed, signatures, variables, broken):
        part(models)
