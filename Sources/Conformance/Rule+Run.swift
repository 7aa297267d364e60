/// Runs and what they emit.
extension Rule {
  static let runFailed = Rule(
    "RUN-FAILED", "9", "a run with inputs that fit the signature works",
    mend: "read the reason; if the model itself refuses zeros, check with another one")
  static let emitSize = Rule(
    "RUN-EMIT-SIZE", "6", "an emitted tensor has its struct_size", mend: "set .struct_size = sizeof tensor")
  static let emitName = Rule(
    "RUN-EMIT-NAME", "6", "an emitted tensor has the name of an output of the signature",
    mend: "use the signature's own pointer as name")
  static let emitType = Rule(
    "RUN-EMIT-TYPE", "6", "an output has the type that the signature says", mend: "convert it, or declare its real type"
  )
  static let emitShape = Rule(
    "RUN-EMIT-SHAPE", "6", "an output's shape is dense, at least 0 everywhere, of rank 0 to 8, and fits the signature",
    mend: "emit the shape that the engine reports for this run")
  static let emitBytes = Rule(
    "RUN-EMIT-BYTES", "6", "byte_size is the shape's elements times the type's size", mend: "compute it from the shape")
  static let emitData = Rule(
    "RUN-EMIT-DATA", "6", "data isn't NULL when there are bytes", mend: "point it at the output")
  static let emitTwice = Rule(
    "RUN-EMIT-TWICE", "8", "nothing follows the emit that is `last`", mend: "emit each output once, with last = true")
  static let emitPart = Rule(
    "RUN-EMIT-LAST", "8", "the final chunk of each output is emitted with `last`", mend: "pass true for the last one")
  static let emitMissing = Rule(
    "RUN-EMIT-MISSING", "9", "run emits every wanted output before it returns OK",
    mend: "emit the output, or return a code that says why not")
  static let emitNull = Rule(
    "RUN-EMIT-NULL", "8", "emit gets the request and a tensor, both not NULL", mend: "pass both as they came")
  static let emitLate = Rule(
    "RUN-EMIT-LATE", "2", "emit is only called while run is on the stack",
    mend: "wait for the engine's callbacks before run returns")
  static let emitRefused = Rule(
    "RUN-EMIT-REFUSED", "8", "when emit doesn't return OK, run stops and returns that code",
    mend: "return the code of emit at once")
  static let bufferOutside = Rule(
    "BUFFER-OUTSIDE", "6", "a tensor with a buffer has its data inside of it", mend: "point data into buffer->data")
  static let bufferTwice = Rule(
    "BUFFER-TWICE", "8", "an emitted buffer belongs to the host: not emitted again, not released",
    mend: "forget a buffer as soon as it is emitted; make one per output")
  static let bufferRelease = Rule(
    "BUFFER-RELEASE", "6", "a buffer has its struct_size and a release function",
    mend: "set struct_size and release, also for memory that is never freed")
  static let bufferChanged = Rule(
    "BUFFER-CHANGED", "6", "a buffer of the runner's own isn't written to from emit until the host releases it",
    mend: "take a buffer back in release, not when run returns")
  static let bufferTouched = Rule(
    "BUFFER-TOUCHED", "8", "host memory isn't touched once it is emitted or given back",
    mend: "make emit and release the last use of a buffer; forget pointers into it")
  static let bufferOverrun = Rule(
    "BUFFER-OVERRUN", "8", "host->allocate gives byte_size bytes and not one more",
    mend: "ask for as many bytes as are written; mind vector stores past the end")
  static let bufferLost = Rule(
    "BUFFER-LOST", "8", "what host->allocate gave is emitted or given back with buffer->release",
    mend: "release it on every path that doesn't emit it")
  static let bufferSpoiled = Rule(
    "BUFFER-SPOILED", "8", "the host's buffer records aren't written to", mend: "write into buffer->data alone")
  static let inputWritten = Rule(
    "INPUT-WRITTEN", "6", "inputs are read-only for the runner", mend: "copy an input before changing it in place")
  static let inputOverread = Rule(
    "INPUT-OVERREAD", "6", "a runner reads byte_size bytes of an input and not one more",
    mend: "bound loops by byte_size; mind vector loads past the end")
  static let inputKept = Rule(
    "INPUT-KEPT", "8", "everything in a request is borrowed until run returns",
    mend: "copy what is needed later; drop pointers to inputs, ticket and request")
  static let cancelLate = Rule(
    "CANCEL-LATE", "7", "a device with STADION_DEVICE_POLLS_CANCEL ends a cancelled run between steps",
    mend: "ask ticket->is_cancelled in loops, or take the flag away")
  static let cancelCode = Rule(
    "CANCEL-CODE", "3", "a cancelled run returns OK, CANCELLED or DEADLINE_EXCEEDED",
    mend: "translate the engine's own error when the ticket is cancelled")
  static let cancelUnasked = Rule(
    "CANCEL-UNASKED", "3", "CANCELLED is returned only when the ticket says so", mend: "return INTERNAL with the reason"
  )
  static let allocationCode = Rule(
    "ALLOC-CODE", "8", "host->allocate returning NULL makes the run RESOURCE_EXHAUSTED, or it does without",
    mend: "test each result of host->allocate for NULL")
  static let concurrentFailed = Rule(
    "CONC-FAILED", "5", "max_concurrent_runs runs of one model work at once",
    mend: "guard the model's state, or lower max_concurrent_runs")
  static let concurrentLoads = Rule(
    "CONC-LOADS", "2", "runs go on as before while other models are loaded and unloaded",
    mend: "keep what load needs in the new model; guard what models share")
  static let concurrentResult = Rule(
    "CONC-RESULT", "5", "runs at once give what they give one by one",
    mend: "keep scratch memory per run, not per model")
}
