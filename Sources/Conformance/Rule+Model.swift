/// Loading and signatures.
extension Rule {
  static let badOptions = Rule(
    "OPTION-CRASH", "4", "an unknown or odd option is refused or ignored",
    mend: "use key.size and value.size: views have no NUL; check numbers before use")
  static let loadFailed = Rule(
    "LOAD-FAILED", "9", "the given model loads", mend: "read the reason; give a model of the runner's format")
  static let loadMissing = Rule(
    "LOAD-MISSING", "9", "loading a file that isn't there fails", mend: "return NOT_FOUND with the reason")
  static let loadGarbage = Rule(
    "LOAD-GARBAGE", "9", "loading a file that is no model fails with a code and a text",
    mend: "check the format's magic and sizes before use", severity: .warning)
  static let loadCrash = Rule(
    "LOAD-CRASH", "9", "a broken file is refused, whatever it holds",
    mend: "check each size and offset of the file before use")
  static let loadCancel = Rule(
    "LOAD-CANCEL", "3", "a cancelled load returns OK, CANCELLED or DEADLINE_EXCEEDED",
    mend: "translate the engine's own error when the ticket is cancelled")
  static let signatureSize = Rule(
    "SIG-SIZE", "6", "a tensor's struct_size is its size in bytes", mend: "set .struct_size = sizeof tensor")
  static let signatureName = Rule(
    "SIG-NAME", "6", "every tensor has a name of its own", mend: "name it; number those that the engine doesn't name")
  static let signatureType = Rule(
    "SIG-TYPE", "6", "dtype is one of section 6", mend: "refuse the model with UNSUPPORTED if there is none for it")
  static let signatureShape = Rule(
    "SIG-SHAPE", "6", "shape has rank entries, each at least 0, or -1 for unknown; the host serves up to rank 8",
    mend: "write -1 for symbolic dimensions; refuse other models with UNSUPPORTED")
  static let signatureEnd = Rule(
    "SIG-END", "9", "signature returns NULL past the end", mend: "compare the index with the number of tensors")
  static let signatureStable = Rule(
    "SIG-STABLE", "9", "a signature is valid and the same until unload", mend: "build it once, in load")
  static let metadataEnd = Rule(
    "META-END", "9", "metadata returns NULL past the end", mend: "compare the index with the number of pairs")
  static let metadataText = Rule(
    "META-TEXT", "4", "keys and values are UTF-8 views that live until unload", mend: "copy the engine's text in load")
  static let parallelLoads = Rule(
    "LOAD-PARALLEL", "5", "STADION_DEVICE_PARALLEL_LOADS: loads and unloads of one runner may overlap",
    mend: "guard the runner's state with a lock, or take the flag away")
  static let leak = Rule(
    "LEAK-CYCLE", "9", "unload gives back what load and run have taken",
    mend: "run load, run, unload in a loop under LeakSanitizer or heaptrack")
}
