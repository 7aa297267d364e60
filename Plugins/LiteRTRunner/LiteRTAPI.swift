import Glibc
import RunnerKit

/// Objects of LiteRT are opaque to us; the name only says that one is meant.
typealias LiteRTObject = OpaquePointer
typealias Out = UnsafeMutablePointer<OpaquePointer?>
typealias Text = UnsafePointer<CChar>
/// 0 = it went well.
typealias LiteRTStatus = Int32

/// The functions of LiteRT 2.3 we call, each an exported symbol. Whole structs cross as raw pointers; see `NativeType`.
struct LiteRTAPI: Sendable {
  typealias Release = @convention(c) (LiteRTObject?) -> Void
  typealias Count = @convention(c) (LiteRTObject, UnsafeMutablePointer<Int>) -> LiteRTStatus
  typealias GetText = @convention(c) (LiteRTObject, UnsafeMutablePointer<Text?>) -> LiteRTStatus
  typealias GetTextAt = @convention(c) (LiteRTObject, Int, UnsafeMutablePointer<Text?>) -> LiteRTStatus
  typealias GetAt = @convention(c) (LiteRTObject, Int, Out) -> LiteRTStatus
  typealias GetNumber = @convention(c) (LiteRTObject, UnsafeMutablePointer<Int32>) -> LiteRTStatus
  typealias GetStruct = @convention(c) (LiteRTObject, UnsafeMutableRawPointer) -> LiteRTStatus
  typealias FreeMemory = @convention(c) (UnsafeMutableRawPointer?) -> Void
  typealias IsCancelled = @convention(c) (UnsafeMutableRawPointer?) -> Bool

  // Environment: options are triples of Int64, {tag, 2 = whole number, value}.
  let createEnvironment: @convention(c) (Int32, UnsafePointer<Int64>, Out) -> LiteRTStatus
  let destroyEnvironment: Release
  let acceleratorCount: Count
  let accelerator: GetAt
  let acceleratorKinds: GetNumber

  // A model's bytes and what it says of itself. All that is read from it lives as long as the model.
  let createModel: @convention(c) (LiteRTObject, UnsafeRawPointer, Int, Out) -> LiteRTStatus
  let destroyModel: Release
  let modelMetadata:
    @convention(c) (LiteRTObject, Text, UnsafeMutablePointer<UnsafeRawPointer?>, UnsafeMutablePointer<Int>) ->
      LiteRTStatus
  let signatureCount: Count
  let signature: GetAt
  let signatureKey: GetText
  let inputCount: Count
  let outputCount: Count
  let inputName: GetTextAt
  let outputName: GetTextAt
  let inputTensor: GetAt
  let outputTensor: GetAt
  let graphCount: Count
  let graph: GetAt
  let operatorCount: Count
  let graphOperator: GetAt
  let operatorCode: GetNumber
  let tensorKind: GetNumber
  let tensorType: GetStruct
  let quantizationKind: GetNumber
  let perTensorQuantization: GetStruct

  // How to compile.
  let createOptions: @convention(c) (Out) -> LiteRTStatus
  let destroyOptions: Release
  let setAccelerators: @convention(c) (LiteRTObject, Int32) -> LiteRTStatus
  let createOpaqueOptions: @convention(c) (Text, UnsafeMutableRawPointer, FreeMemory, Out) -> LiteRTStatus
  let addOpaqueOptions: @convention(c) (LiteRTObject, LiteRTObject) -> LiteRTStatus  // takes the second one

  // A compiled model. Not for two threads at once: it answers wrongly then, without an error.
  let createCompiledModel: @convention(c) (LiteRTObject, LiteRTObject, LiteRTObject, Out) -> LiteRTStatus
  let destroyCompiledModel: Release
  let setCancellation: @convention(c) (LiteRTObject, UnsafeMutableRawPointer?, IsCancelled) -> LiteRTStatus
  let resizeInput: @convention(c) (LiteRTObject, Int, Int, UnsafePointer<Int32>, Int) -> LiteRTStatus
  let outputLayouts: @convention(c) (LiteRTObject, Int, Int, UnsafeMutableRawPointer, Bool) -> LiteRTStatus
  let run: @convention(c) (LiteRTObject, Int, Int, Out, Int, Out) -> LiteRTStatus
  let errorMessages: @convention(c) (LiteRTObject, UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> LiteRTStatus
  let clearErrors: @convention(c) (LiteRTObject) -> LiteRTStatus

  // Tensors over memory of ours, aligned to 64 bytes.
  let createBuffer: @convention(c) (UnsafeRawPointer, UnsafeMutableRawPointer, Int, FreeMemory?, Out) -> LiteRTStatus
  let destroyBuffer: Release

  /// - Throws: `.incompatibleABI` when the library lacks one of them.
  init(_ library: Library) throws(RunnerError) {
    createEnvironment = try library.symbol("LiteRtCreateEnvironment")
    destroyEnvironment = try library.symbol("LiteRtDestroyEnvironment")
    acceleratorCount = try library.symbol("LiteRtGetNumAccelerators")
    accelerator = try library.symbol("LiteRtGetAccelerator")
    acceleratorKinds = try library.symbol("LiteRtGetAcceleratorHardwareSupport")
    // Came together with the environment as first argument: an older library has other parameters, and lacks it.
    let _: Release = try library.symbol("LiteRtCreateModelFromFd")
    createModel = try library.symbol("LiteRtCreateModelFromBuffer")
    destroyModel = try library.symbol("LiteRtDestroyModel")
    modelMetadata = try library.symbol("LiteRtGetModelMetadata")
    signatureCount = try library.symbol("LiteRtGetNumModelSignatures")
    signature = try library.symbol("LiteRtGetModelSignature")
    signatureKey = try library.symbol("LiteRtGetSignatureKey")
    inputCount = try library.symbol("LiteRtGetNumSignatureInputs")
    outputCount = try library.symbol("LiteRtGetNumSignatureOutputs")
    inputName = try library.symbol("LiteRtGetSignatureInputName")
    outputName = try library.symbol("LiteRtGetSignatureOutputName")
    inputTensor = try library.symbol("LiteRtGetSignatureInputTensorByIndex")
    outputTensor = try library.symbol("LiteRtGetSignatureOutputTensorByIndex")
    graphCount = try library.symbol("LiteRtGetNumModelSubgraphs")
    graph = try library.symbol("LiteRtGetModelSubgraph")
    operatorCount = try library.symbol("LiteRtGetNumSubgraphOps")
    graphOperator = try library.symbol("LiteRtGetSubgraphOp")
    operatorCode = try library.symbol("LiteRtGetOpCode")
    tensorKind = try library.symbol("LiteRtGetTensorTypeId")
    tensorType = try library.symbol("LiteRtGetRankedTensorType")
    quantizationKind = try library.symbol("LiteRtGetQuantizationTypeId")
    perTensorQuantization = try library.symbol("LiteRtGetPerTensorQuantization")
    createOptions = try library.symbol("LiteRtCreateOptions")
    destroyOptions = try library.symbol("LiteRtDestroyOptions")
    setAccelerators = try library.symbol("LiteRtSetOptionsHardwareAccelerators")
    createOpaqueOptions = try library.symbol("LiteRtCreateOpaqueOptions")
    addOpaqueOptions = try library.symbol("LiteRtAddOpaqueOptions")
    createCompiledModel = try library.symbol("LiteRtCreateCompiledModel")
    destroyCompiledModel = try library.symbol("LiteRtDestroyCompiledModel")
    setCancellation = try library.symbol("LiteRtSetCompiledModelCancellationFunction")
    resizeInput = try library.symbol("LiteRtCompiledModelResizeInputTensor")
    outputLayouts = try library.symbol("LiteRtGetCompiledModelOutputTensorLayouts")
    run = try library.symbol("LiteRtRunCompiledModel")
    errorMessages = try library.symbol("LiteRtCompiledModelGetErrorMessages")
    clearErrors = try library.symbol("LiteRtCompiledModelClearErrors")
    createBuffer = try library.symbol("LiteRtCreateTensorBufferFromHostMemory")
    destroyBuffer = try library.symbol("LiteRtDestroyTensorBuffer")
  }
}

extension LiteRTAPI {
  /// Throws what a status says. LiteRT has no text for it, so `what` names the call.
  func check(_ status: LiteRTStatus, _ what: @autoclosure () -> String) throws(RunnerError) {
    if status != 0 { throw error(status, what()) }
  }

  /// The object that `body` makes.
  func make(_ what: @autoclosure () -> String, _ body: (Out) -> LiteRTStatus) throws(RunnerError) -> LiteRTObject {
    var object: LiteRTObject?
    try check(body(&object), what())
    guard let object else { throw RunnerError(.internal, "\(what()): LiteRT made nothing", source: "litert") }
    return object
  }

  func error(_ status: LiteRTStatus, _ what: String) -> RunnerError {
    let (code, text): (RunnerError.Code, String) =
      switch status {
      case 1: (.internal, "invalid argument")
      case 2: (.resourceExhausted, "no memory")
      case 3: (.internal, "runtime failure")
      case 5: (.unsupported, "not supported by LiteRT")
      case 6: (.notFound, "not found")
      case 500: (.invalidArgument, "the file can't be read")
      case 501: (.invalidArgument, "no valid TFLite file")
      case 504: (.invalidArgument, "can't be compiled")
      default: (.internal, "status \(status)")
      }
    return RunnerError(code, "\(what): \(text)", nativeCode: status, source: "litert")
  }
}
