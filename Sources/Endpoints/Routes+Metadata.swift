import Inference
import Routing
import Running
import Serving
import Wire

/// Health, and what server and models say of themselves. protocol.md sections 4 to 6 and 13.
extension Routes {
  /// Only what works is listed: clients switch features on by these names.
  private static let extensions: [JSONValue] = [
    "classification", "model_repository", "model_configuration", "binary_tensor_data", "parameters", "statistics",
  ]

  func metadata(_ exchange: Exchange) {
    Self.answer(
      exchange,
      ["name": .string(server.name), "version": .string(server.version), "extensions": .array(Self.extensions)])
  }

  func ready(_ exchange: Exchange) {
    let isReady = router.isReady && !isDraining()
    Self.answer(exchange, ["ready": .bool(isReady)])
    if !isReady { exchange.setStatus(503) }
  }

  /// - Parameter version: What was asked for; nil lists all versions.
  func modelMetadata(_ served: ServedVersion, _ version: String?) -> JSONValue {
    var name = served.model
    let model = name.withUTF8 { router.table.model(UnsafeRawBufferPointer($0), in: TenantScope(served.tenant)) }
    let all = model?.versions.map(\.version).reversed() ?? []
    let versions = version == nil ? Array(all) : [served.version]
    return [
      "name": .string(served.model), "versions": .array(versions.map { .string($0) }),
      "platform": .string(platform(served)), "inputs": tensors(served.inputs), "outputs": tensors(served.outputs),
      "parameters": .object(served.instances[0].metadata.map { .init($0.key, .string($0.value)) }),
    ]
  }

  /// `onnx_onnxv1` and the like, as clients know it; for other formats the format's name.
  private func platform(_ served: ServedVersion) -> String {
    switch served.format {
    case "onnx": "onnx_onnxv1"
    case "pt": "pytorch_torchscript"
    case "saved_model": "tensorflow_savedmodel"
    default: served.format
    }
  }

  private func tensors(_ specs: [TensorSpec]) -> JSONValue {
    .array(
      specs.map { spec in
        [
          "name": .string(spec.name), "datatype": .string("\(spec.elementType.protocolName)"),
          "shape": .array(spec.shape.map { .integer($0) }),
        ]
      })
  }

  /// The part of Triton's ModelConfig that says something here.
  func config(_ served: ServedVersion) -> JSONValue {
    let instances: [JSONValue] = served.instances.enumerated().map { index, instance in
      [
        "name": .string("\(served.model)_\(index)"),
        "kind": instance.device == .gpu ? "KIND_GPU" : "KIND_CPU", "count": .integer(instance.gate.limit), "gpus": [],
      ]
    }
    return [
      "name": .string(served.model), "platform": .string(platform(served)),
      "backend": .string(served.instances[0].runnerID), "version_policy": ["latest": ["num_versions": 1]],
      "max_batch_size": 0,
      "input": .array(
        served.inputs.map { spec in
          var members = configTensor(spec)
          members.append(.init("format", "FORMAT_NONE"))
          members.append(.init("optional", false))
          return .object(members)
        }),
      "output": .array(
        served.outputs.map { spec in
          var members = configTensor(spec)
          members.append(.init("label_filename", ""))
          return .object(members)
        }),
      "instance_group": .array(instances), "default_model_filename": "", "parameters": [:], "model_warmup": [],
    ]
  }

  private func configTensor(_ spec: TensorSpec) -> [JSONValue.Member] {
    let type = spec.elementType == .utf8 ? "TYPE_STRING" : "TYPE_\(spec.elementType.protocolName)"
    return [
      .init("name", .string(spec.name)), .init("data_type", .string(type)),
      .init("dims", .array(spec.shape.map { .integer($0) })), .init("is_shape_tensor", false),
    ]
  }
}
