"""basic_pitch for Triton's Python backend: the PyPI wheel of Triton has no backend for ONNX."""

import os

import onnxruntime
import triton_python_backend_utils as pb


class TritonPythonModel:

  def initialize(self, arguments):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    path = os.path.join(os.path.dirname(__file__), "model.onnx")
    self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    self.inputs = [tensor.name for tensor in self.session.get_inputs()]
    self.outputs = [tensor.name for tensor in self.session.get_outputs()]

  def execute(self, requests):
    return [self.answer(request) for request in requests]

  def answer(self, request):
    feed = {name: pb.get_input_tensor_by_name(request, name).as_numpy() for name in self.inputs}
    results = self.session.run(self.outputs, feed)
    return pb.InferenceResponse([pb.Tensor(name, result) for name, result in zip(self.outputs, results)])
