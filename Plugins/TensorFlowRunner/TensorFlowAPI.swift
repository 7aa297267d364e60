import CTensorFlow
import Glibc
import RunnerKit

/// Objects of TensorFlow are opaque to us.
typealias TFObject = OpaquePointer
typealias Text = UnsafePointer<CChar>

/// The functions of TensorFlow's C API that we call, looked up by name: libtensorflow_cc has them or depends on
/// libtensorflow_framework, which has the rest. Those that take a status tell it how they went.
struct TensorFlowAPI {
  typealias Make = @convention(c) () -> TFObject?
  typealias Delete = @convention(c) (TFObject?) -> Void
  typealias Deallocator = @convention(c) (UnsafeMutableRawPointer?, Int, UnsafeMutableRawPointer?) -> Void
  /// A string in a tensor is an opaque 24 bytes.
  typealias StringPointer = UnsafeMutableRawPointer

  let version: @convention(c) () -> Text?

  // Status.
  let newStatus: Make
  let code: @convention(c) (TFObject) -> Int32
  let message: @convention(c) (TFObject) -> Text?
  let deleteStatus: Delete

  // Sessions and graphs.
  let newSessionOptions: Make
  let setConfig: @convention(c) (TFObject, UnsafeRawPointer, Int, TFObject) -> Void
  let deleteSessionOptions: Delete
  let newGraph: Make
  let deleteGraph: Delete
  let newBuffer: @convention(c) () -> UnsafeMutablePointer<tf_buffer>?
  let deleteBuffer: @convention(c) (UnsafeMutablePointer<tf_buffer>?) -> Void
  let allOperations: @convention(c) () -> UnsafeMutablePointer<tf_buffer>?
  let loadSession:
    @convention(c) (
      TFObject, UnsafePointer<tf_buffer>?, Text, UnsafePointer<Text?>, Int32, TFObject, UnsafeMutablePointer<tf_buffer>,
      TFObject
    ) -> TFObject?
  let closeSession: @convention(c) (TFObject, TFObject) -> Void
  let deleteSession: @convention(c) (TFObject, TFObject) -> Void
  let operation: @convention(c) (TFObject, Text) -> TFObject?
  let outputCount: @convention(c) (TFObject) -> Int32
  let outputType: @convention(c) (tf_output) -> Int32
  let run:
    @convention(c) (
      TFObject, UnsafePointer<tf_buffer>?, UnsafePointer<tf_output>, UnsafePointer<TFObject?>, Int32,
      UnsafePointer<tf_output>, UnsafeMutablePointer<TFObject?>, Int32, UnsafePointer<TFObject?>?, Int32,
      UnsafeMutablePointer<tf_buffer>?, TFObject
    ) -> Void

  // Tensors. `newTensor` ends the process for a negative dimension, and when the number of elements overflows.
  let newTensor:
    @convention(c) (
      Int32, UnsafePointer<Int64>?, Int32, UnsafeMutableRawPointer?, Int, Deallocator, UnsafeMutableRawPointer?
    ) -> TFObject?
  let deleteTensor: Delete
  let tensorType: @convention(c) (TFObject) -> Int32
  let rank: @convention(c) (TFObject) -> Int32
  let dimension: @convention(c) (TFObject, Int32) -> Int64
  let byteCount: @convention(c) (TFObject) -> Int
  let data: @convention(c) (TFObject) -> UnsafeMutableRawPointer?
  let initString: @convention(c) (StringPointer) -> Void
  let copyString: @convention(c) (StringPointer, UnsafeRawPointer?, Int) -> Void
  let stringByteCount: @convention(c) (UnsafeRawPointer) -> Int
  let stringBytes: @convention(c) (UnsafeRawPointer) -> UnsafeRawPointer?
  let freeString: @convention(c) (StringPointer) -> Void

  /// - Throws: `.incompatibleABI` when a function isn't there.
  init(_ library: UnsafeMutableRawPointer) throws(RunnerError) {
    func find<Function>(_ name: String) throws(RunnerError) -> Function {
      guard let function = dlsym(library, name) else {
        throw RunnerError(.incompatibleABI, "the library has no \(name); it isn't TensorFlow 2.10 or newer")
      }
      return unsafeBitCast(function, to: Function.self)
    }
    version = try find("TF_Version")
    newStatus = try find("TF_NewStatus")
    code = try find("TF_GetCode")
    message = try find("TF_Message")
    deleteStatus = try find("TF_DeleteStatus")
    newSessionOptions = try find("TF_NewSessionOptions")
    setConfig = try find("TF_SetConfig")
    deleteSessionOptions = try find("TF_DeleteSessionOptions")
    newGraph = try find("TF_NewGraph")
    deleteGraph = try find("TF_DeleteGraph")
    newBuffer = try find("TF_NewBuffer")
    deleteBuffer = try find("TF_DeleteBuffer")
    allOperations = try find("TF_GetAllOpList")
    loadSession = try find("TF_LoadSessionFromSavedModel")
    closeSession = try find("TF_CloseSession")
    deleteSession = try find("TF_DeleteSession")
    operation = try find("TF_GraphOperationByName")
    outputCount = try find("TF_OperationNumOutputs")
    outputType = try find("TF_OperationOutputType")
    run = try find("TF_SessionRun")
    newTensor = try find("TF_NewTensor")
    deleteTensor = try find("TF_DeleteTensor")
    tensorType = try find("TF_TensorType")
    rank = try find("TF_NumDims")
    dimension = try find("TF_Dim")
    byteCount = try find("TF_TensorByteSize")
    data = try find("TF_TensorData")
    initString = try find("TF_StringInit")
    copyString = try find("TF_StringCopy")
    stringByteCount = try find("TF_StringGetSize")
    stringBytes = try find("TF_StringGetDataPointer")
    freeString = try find("TF_StringDealloc")
  }
}
