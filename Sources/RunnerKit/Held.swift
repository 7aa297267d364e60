import CStadionRunner
import Glibc

/// What a `stadion_runner *` points to.
final class HeldRunner {
  let runner: any Runner
  init(_ runner: any Runner) { self.runner = runner }
}

/// What a `stadion_model *` points to: the model and, in C, what it says of itself.
final class HeldModel {
  let model: any Model
  let inputs: Signature
  let outputs: Signature
  let metadata: Metadata

  init(_ model: any Model) {
    self.model = model
    inputs = Signature(model.inputs)
    outputs = Signature(model.outputs)
    metadata = Metadata(model.metadata)
  }

  deinit {
    inputs.free()
    outputs.free()
    metadata.free()
  }
}

/// A list of `stadion_tensor` that `HeldModel` owns.
struct Signature {
  private let tensors: UnsafeMutableBufferPointer<stadion_tensor>

  init(_ specs: [TensorSpec]) {
    tensors = .allocate(capacity: specs.count)
    for (index, spec) in specs.enumerated() {
      let shape = UnsafeMutablePointer<Int64>.allocate(capacity: max(spec.shape.count, 1))
      for (at, size) in spec.shape.enumerated() { shape[at] = size }
      var tensor = stadion_tensor()
      tensor.struct_size = UInt32(MemoryLayout<stadion_tensor>.size)
      tensor.dtype = spec.type.rawValue
      tensor.rank = UInt32(spec.shape.count)
      tensor.name = UnsafePointer(strdup(spec.name))
      tensor.shape = UnsafePointer(shape)
      tensors.initializeElement(at: index, to: tensor)
    }
  }

  func tensor(at index: Int) -> UnsafePointer<stadion_tensor>? {
    index < tensors.count ? UnsafePointer(tensors.baseAddress! + index) : nil
  }

  func free() {
    for tensor in tensors {
      Glibc.free(UnsafeMutableRawPointer(mutating: tensor.name))
      tensor.shape.deallocate()
    }
    tensors.deallocate()
  }
}

/// A list of `stadion_option` that `HeldModel` owns.
struct Metadata {
  private let options: UnsafeMutableBufferPointer<stadion_option>

  init(_ pairs: [(key: String, value: String)]) {
    options = .allocate(capacity: pairs.count)
    for (index, pair) in pairs.enumerated() {
      options.initializeElement(at: index, to: stadion_option(key: Self.copy(pair.key), value: Self.copy(pair.value)))
    }
  }

  func option(at index: Int) -> UnsafePointer<stadion_option>? {
    index < options.count ? UnsafePointer(options.baseAddress! + index) : nil
  }

  func free() {
    for option in options {
      option.key.data.deallocate()
      option.value.data.deallocate()
    }
    options.deallocate()
  }

  private static func copy(_ text: String) -> stadion_text {
    var text = text
    return text.withUTF8 { utf8 in
      let data = UnsafeMutablePointer<CChar>.allocate(capacity: max(utf8.count, 1))
      for (at, byte) in utf8.enumerated() { data[at] = CChar(bitPattern: byte) }
      return stadion_text(data: data, size: utf8.count)
    }
  }
}

extension Device {
  /// The device in C, until it is given to `free`.
  func makeRaw() -> UnsafePointer<stadion_device> {
    let names = UnsafeMutablePointer<UnsafePointer<CChar>?>.allocate(capacity: formats.count + 1)
    for (index, format) in formats.enumerated() { names[index] = UnsafePointer(strdup(format)) }
    names[formats.count] = nil
    let kinds = [
      "cpu": STADION_DEVICE_CPU, "gpu": STADION_DEVICE_GPU, "npu": STADION_DEVICE_NPU,
      "tpu": STADION_DEVICE_TPU, "dsp": STADION_DEVICE_DSP,
    ]
    var device = stadion_device()
    device.struct_size = UInt32(MemoryLayout<stadion_device>.size)
    device.kind = stadion_device_kind(kinds[kind] ?? STADION_DEVICE_OTHER)
    device.ordinal = ordinal
    device.max_concurrent_runs = maxConcurrentRuns
    device.flags = flags.rawValue
    device.memory_bytes = memoryBytes
    device.name = UnsafePointer(strdup(name))
    device.formats = UnsafePointer(names)
    device.kind_name = UnsafePointer(strdup(kind))
    let pointer = UnsafeMutablePointer<stadion_device>.allocate(capacity: 1)
    pointer.initialize(to: device)
    return UnsafePointer(pointer)
  }

  static func free(_ raw: UnsafePointer<stadion_device>) {
    var format = raw.pointee.formats
    while let name = format?.pointee {
      Glibc.free(UnsafeMutableRawPointer(mutating: name))
      format = format?.successor()
    }
    raw.pointee.formats.deallocate()
    Glibc.free(UnsafeMutableRawPointer(mutating: raw.pointee.name))
    Glibc.free(UnsafeMutableRawPointer(mutating: raw.pointee.kind_name))
    raw.deallocate()
  }
}
