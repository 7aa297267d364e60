import Glibc

/// Objects of ONNX Runtime are opaque to us; these names only say which kind is meant.
typealias OrtStatus = OpaquePointer
typealias OrtObject = OpaquePointer
typealias Out = UnsafeMutablePointer<OpaquePointer?>
typealias Text = UnsafePointer<CChar>

/// The functions of ONNX Runtime we call. The engine gives out one table of function pointers that only ever grows,
/// so a slot's number is part of its ABI. A function that returns `OrtStatus?` returns nil when it went well.
struct OrtAPI {
  typealias Make = @convention(c) (Out) -> OrtStatus?
  typealias Release = @convention(c) (OrtObject?) -> Void
  typealias Logger = @convention(c) (UnsafeMutableRawPointer?, Int32, Text?, Text?, Text?, Text?) -> Void
  typealias SetInt = @convention(c) (OrtObject, Int32) -> OrtStatus?
  typealias Get = @convention(c) (OrtObject, UnsafeMutablePointer<Int>) -> OrtStatus?
  typealias GetAt = @convention(c) (OrtObject, Int, Out) -> OrtStatus?
  typealias GetName = @convention(c) (OrtObject, Int, OrtObject, UnsafeMutablePointer<Text?>) -> OrtStatus?
  typealias GetText = @convention(c) (OrtObject, OrtObject, UnsafeMutablePointer<Text?>) -> OrtStatus?
  typealias Call = @convention(c) (OrtObject) -> OrtStatus?
  typealias Convert = @convention(c) (OrtObject, Out) -> OrtStatus?

  // Status.
  let errorCode: @convention(c) (OrtStatus) -> Int32
  let errorMessage: @convention(c) (OrtStatus) -> Text
  let releaseStatus: Release

  // Environment, allocator, memory.
  let createEnv: @convention(c) (Logger, UnsafeMutableRawPointer?, Int32, Text, Out) -> OrtStatus?
  let cpuMemoryInfo: @convention(c) (Int32, Int32, Out) -> OrtStatus?
  let defaultAllocator: Make
  let allocatorFree: @convention(c) (OrtObject, UnsafeMutableRawPointer) -> OrtStatus?
  let releaseMemoryInfo: Release
  let releaseEnv: Release

  // Sessions and their options.
  let createSessionOptions: Make
  let setExecutionMode: SetInt
  let disableArena: Call
  let setGraphOptimization: SetInt
  let setIntraOpThreads: SetInt
  let setInterOpThreads: SetInt
  let addConfigEntry: @convention(c) (OrtObject, Text, Text) -> OrtStatus?
  let releaseSessionOptions: Release
  let createSession: @convention(c) (OrtObject, Text, OrtObject, Out) -> OrtStatus?
  let releaseSession: Release

  // What a model says of itself.
  let inputCount: Get
  let outputCount: Get
  let inputType: GetAt
  let outputType: GetAt
  let inputName: GetName
  let outputName: GetName
  let onnxType: @convention(c) (OrtObject, UnsafeMutablePointer<Int32>) -> OrtStatus?
  let tensorInfo: Convert  // owned by the type info
  let elementType: @convention(c) (OrtObject, UnsafeMutablePointer<Int32>) -> OrtStatus?
  let rank: Get
  let dimensions: @convention(c) (OrtObject, UnsafeMutablePointer<Int64>, Int) -> OrtStatus?
  let symbolicDimensions: @convention(c) (OrtObject, UnsafeMutablePointer<Text?>, Int) -> OrtStatus?
  let elementCount: Get
  let releaseTypeInfo: Release
  let releaseTensorInfo: Release
  let modelMetadata: Convert
  let producerName: GetText
  let graphName: GetText
  let domain: GetText
  let describe: GetText
  let modelVersion: @convention(c) (OrtObject, UnsafeMutablePointer<Int64>) -> OrtStatus?
  let customKeys:
    @convention(c) (
      OrtObject, OrtObject, UnsafeMutablePointer<UnsafeMutablePointer<Text?>?>, UnsafeMutablePointer<Int64>
    ) -> OrtStatus?
  let customValue: @convention(c) (OrtObject, OrtObject, Text, UnsafeMutablePointer<Text?>) -> OrtStatus?
  let releaseMetadata: Release

  // Values and runs.
  let tensorOverData:
    @convention(c) (OrtObject, UnsafeMutableRawPointer?, Int, UnsafePointer<Int64>, Int, Int32, Out) -> OrtStatus?
  let allocateTensor: @convention(c) (OrtObject, UnsafePointer<Int64>, Int, Int32, Out) -> OrtStatus?
  let tensorData: @convention(c) (OrtObject, UnsafeMutablePointer<UnsafeMutableRawPointer?>) -> OrtStatus?
  let stringBuffer: @convention(c) (OrtObject, Int, Int, UnsafeMutablePointer<UnsafeMutableRawPointer?>) -> OrtStatus?
  let stringsByteCount: Get
  let stringsContent:
    @convention(c) (OrtObject, UnsafeMutableRawPointer?, Int, UnsafeMutablePointer<Int>, Int) -> OrtStatus?
  let typeAndShape: Convert
  let releaseValue: Release
  let createRunOptions: Make
  let setTerminate: Call
  let unsetTerminate: Call
  let releaseRunOptions: Release
  let run:
    @convention(c) (
      OrtObject, OrtObject, UnsafePointer<Text?>, UnsafePointer<OrtObject?>, Int, UnsafePointer<Text?>, Int, Out
    ) -> OrtStatus?

  init(_ table: UnsafePointer<UnsafeRawPointer?>) {
    func slot<Function>(_ number: Int) -> Function { unsafeBitCast(table[number], to: Function.self) }
    errorCode = slot(1)
    errorMessage = slot(2)
    createEnv = slot(4)
    createSession = slot(7)
    run = slot(9)
    createSessionOptions = slot(10)
    setExecutionMode = slot(13)
    disableArena = slot(19)
    setGraphOptimization = slot(23)
    setIntraOpThreads = slot(24)
    setInterOpThreads = slot(25)
    inputCount = slot(30)
    outputCount = slot(31)
    inputType = slot(33)
    outputType = slot(34)
    inputName = slot(36)
    outputName = slot(37)
    createRunOptions = slot(39)
    setTerminate = slot(46)
    unsetTerminate = slot(47)
    allocateTensor = slot(48)
    tensorOverData = slot(49)
    tensorData = slot(51)
    stringsByteCount = slot(53)
    stringsContent = slot(54)
    tensorInfo = slot(55)
    onnxType = slot(56)
    elementType = slot(60)
    rank = slot(61)
    dimensions = slot(62)
    symbolicDimensions = slot(63)
    elementCount = slot(64)
    typeAndShape = slot(65)
    cpuMemoryInfo = slot(69)
    allocatorFree = slot(76)
    defaultAllocator = slot(78)
    releaseEnv = slot(92)
    releaseStatus = slot(93)
    releaseMemoryInfo = slot(94)
    releaseSession = slot(95)
    releaseValue = slot(96)
    releaseRunOptions = slot(97)
    releaseTypeInfo = slot(98)
    releaseTensorInfo = slot(99)
    releaseSessionOptions = slot(100)
    modelMetadata = slot(111)
    producerName = slot(112)
    graphName = slot(113)
    domain = slot(114)
    describe = slot(115)
    customValue = slot(116)
    modelVersion = slot(117)
    releaseMetadata = slot(118)
    customKeys = slot(123)
    addConfigEntry = slot(130)
    stringBuffer = slot(252)
  }
}
