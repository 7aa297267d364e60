import RunnerKit
import Testing

/// The parts of the OpenVINO runner that need no engine; their files are linked into this folder.
@Suite struct `Settings of the OpenVINO runner` {
  @Test func `devices are what the engine names, without those that choose among them`() {
    let found = EngineDevice.list([
      "CPU", "GPU.0", "GPU.1", "NPU", "AUTO", "MULTI", "HETERO", "BATCH", "AUTO:GPU,CPU", "GPU.1.0", "GPU.x", "", ".1",
      "CPU",
    ])
    #expect(found.map(\.name) == ["CPU", "GPU.0", "GPU.1", "NPU"])
    #expect(found.map(\.kind) == ["cpu", "gpu", "gpu", "npu"])
    #expect(found.map(\.ordinal) == [0, 0, 1, 0])
    #expect(EngineDevice.list(["GPU", "GPU.0", "GPU.1"]).map(\.name) == ["GPU", "GPU.1"])
    #expect(EngineDevice("TEMPLATE")?.kind == "template")
  }

  @Test func `devices say how many runs they take`() throws {
    let cpu = try #require(EngineDevice("CPU")).device(title: "Xeon", coreCount: 8)
    #expect(cpu.kind == "cpu" && cpu.name == "Xeon" && cpu.maxConcurrentRuns == 8)
    #expect(cpu.formats == ["onnx", "tflite", "saved_model", "openvino"])
    let gpu = try #require(EngineDevice("GPU.1")).device(title: "", coreCount: 8)
    #expect(gpu.kind == "gpu" && gpu.ordinal == 1 && gpu.name == "GPU.1")
  }

  private func properties(_ device: String, _ settings: ModelSettings) throws -> [String: String] {
    let all = settings.properties(for: try #require(EngineDevice(device)), coreCount: 8)
    return Dictionary(uniqueKeysWithValues: all.map { ($0.key, $0.value) })
  }

  @Test func `precision is f32 unless another is asked for`() throws {
    var settings = ModelSettings()
    for device in ["CPU", "GPU.0", "NPU"] {
      let properties = try properties(device, settings)
      #expect(properties["INFERENCE_PRECISION_HINT"] == "f32" && properties["EXECUTION_MODE_HINT"] == "ACCURACY")
    }
    settings.precision = "bf16"
    #expect(try properties("CPU", settings)["INFERENCE_PRECISION_HINT"] == "bf16")
  }

  @Test func `one thread is the caller's, more are the engine's`() throws {
    var settings = ModelSettings()
    #expect(try properties("CPU", settings)["NUM_STREAMS"] == "0")
    settings.threads = 4
    #expect(try properties("CPU", settings)["NUM_STREAMS"] == "1")
    #expect(try properties("CPU", settings)["INFERENCE_NUM_THREADS"] == "4")
    settings.streams = 2
    #expect(try properties("CPU", settings)["NUM_STREAMS"] == "2")
    #expect(try properties("CPU", settings)["ENABLE_CPU_PINNING"] == "NO")
    settings = ModelSettings()
    settings.performanceHint = "throughput"
    #expect(try properties("CPU", settings)["NUM_STREAMS"] == "8")
    #expect(try properties("CPU", settings)["INFERENCE_NUM_THREADS"] == "8")
    settings.threads = 4
    #expect(try properties("CPU", settings)["NUM_STREAMS"] == "4")
    #expect(try properties("GPU.0", settings)["NUM_STREAMS"] == nil)
    #expect(try properties("GPU.0", settings)["INFERENCE_NUM_THREADS"] == nil)
    #expect(try properties("GPU.0", settings)["PERFORMANCE_HINT"] == "THROUGHPUT")
  }

  @Test func `the engine's words reach callers without its files and this machine's folders`() {
    let text = """
      Exception from src/inference/src/cpp/core.cpp:84:
      Check 'false' failed at src/frontends/report.cpp:151:
      FrontEnd API failed with OpConversionFailure:
      Model wasn't fully converted in "/srv/models/a/1/model.onnx".
      -- No conversion rule found for operations: StringConcat-20

      """
    let cleaned = EngineText.cleaned(text, path: "/srv/models/a/1/model.onnx")
    #expect(
      cleaned
        == #"Model wasn't fully converted in "model.onnx". -- No conversion rule found for operations: StringConcat-20"#
    )
    #expect(EngineText.isUnsupported(text))
    #expect(EngineText.cleaned("Check 'a' failed at b.cpp:1:\n") == "Check 'a' failed at b.cpp:1:")
  }
}
