import COpenVINO
import Glibc
import RunnerKit

/// A model as it was read, before and while it is compiled.
final class ModelSource {
  let inputs: [ModelTensor]
  let outputs: [ModelTensor]
  /// It has variables that live in an infer request: a next run would see what the last left there.
  let keepsState: Bool
  private let engine: Engine
  private let path: String
  private var model: Handle?
  private var ownsTensors = true

  /// - Throws: `.notFound`; `.invalidArgument` or `.unsupported` with what the engine says of the file.
  init(_ engine: Engine, path: String) throws(RunnerError) {
    guard access(path, R_OK) == 0 else {
      throw RunnerError(.notFound, "the model can't be read: \(String(cString: strerror(errno)))")
    }
    let api = engine.api
    var read: Handle?
    let code = api.core_read_model(engine.core, path, nil, &read)
    guard code == OV_OK, let read else { throw api.error(code, .invalidArgument, path: path) }
    var tensors: (inputs: [ModelTensor], outputs: [ModelTensor]) = ([], [])
    do throws(RunnerError) {
      tensors.inputs = try ModelTensor.list(engine, read, outputs: false)
      tensors.outputs = try ModelTensor.list(engine, read, outputs: true)
      if let input = tensors.inputs.first(where: { $0.bounds == nil }) {
        throw RunnerError(
          .unsupported, "input \(String(cString: input.name)) has no known rank; OpenVINO can't compile such a model")
      }
      // The engine makes an input of what a broken graph uses and nothing makes.
      if let declared = ModelFile.onnxInputs(path),
        let stranger = tensors.inputs.map({ String(cString: $0.name) }).first(where: { !declared.contains($0) })
      {
        throw RunnerError(
          .invalidArgument, "the graph uses \(stranger), which is no input of the model and made by no node before")
      }
    } catch {
      ModelTensor.free(tensors.inputs + tensors.outputs)
      api.model_free(read)
      throw error
    }
    (inputs, outputs) = tensors
    keepsState = ModelFile.keepsState(path)
    model = read
    self.engine = engine
    self.path = path
  }

  deinit {
    engine.api.model_free(model)
    if ownsTensors { ModelTensor.free(inputs + outputs) }
  }

  /// The model's name. Only IR has one; readers of other formats all call theirs "…_Frontend_IR".
  var metadata: [(key: String, value: String)] {
    var text: UnsafeMutablePointer<CChar>?
    guard let model, engine.api.model_get_friendly_name(model, &text) == OV_OK, let name = engine.api.taken(text),
      !name.isEmpty, !name.hasSuffix("_Frontend_IR")
    else { return [] }
    return [("graph", name)]
  }

  func compile(
    _ device: EngineDevice, _ properties: [(key: String, value: String)], cacheFolder: String?
  ) throws(RunnerError) -> Handle {
    let all = properties + (cacheFolder.map { [("CACHE_DIR", $0)] } ?? [])
    let texts = all.map { (key: strdup($0.key)!, value: strdup($0.value)!) }
    defer {
      for text in texts {
        free(text.key)
        free(text.value)
      }
    }
    let list = texts.map { ov_property(key: $0.key, value: $0.value) }
    var compiled: Handle?
    let code = engine.api.core_compile_model_props(engine.core, model, device.name, list.count, list, &compiled)
    guard code == OV_OK, let compiled else { throw engine.api.error(code, .invalidArgument, path: path) }
    return compiled
  }

  /// The caller owns it from now on; nil the second time.
  func takeModel() -> Handle? { model.take() }

  /// The caller owns the names of `inputs` and `outputs` from now on.
  func takeTensors() { ownsTensors = false }
}
