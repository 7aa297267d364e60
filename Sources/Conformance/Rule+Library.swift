/// The file, its entry and its table.
extension Rule {
  static let libraryOpen = Rule(
    "LIB-OPEN", "10", "the library opens with RTLD_NOW | RTLD_LOCAL",
    mend: "check the path, the machine's architecture and the libraries it needs with ldd")
  static let librarySymbols = Rule(
    "LIB-SYMBOLS", "10", "every symbol that the library uses is found when it is opened",
    mend: "link the library that defines it, or open the engine with dlopen; build with -Wl,-z,defs")
  static let libraryTLS = Rule(
    "LIB-STATIC-TLS", "10", "the library needs no static thread-local storage",
    mend: "build it and its engine with -ftls-model=global-dynamic")
  static let libraryTLSFlag = Rule(
    "LIB-TLS-FLAG", "10", "the library is not marked as one that needs static thread-local storage",
    mend: "build it and the archives in it with -ftls-model=global-dynamic: other libraries may take the room first",
    severity: .warning)
  static let libraryFile = Rule(
    "LIB-FILE", "10", "the library is an ELF shared object with section headers",
    mend: "give the .so itself; don't strip section headers")
  static let exports = Rule(
    "LIB-EXPORTS", "10", "stadion_plugin_entry is the one exported symbol",
    mend: "link with a version script: { global: stadion_plugin_entry; local: *; };")
  static let entryMissing = Rule(
    "LIB-ENTRY", "10", "the library exports stadion_plugin_entry",
    mend: "mark the function STADION_EXPORT, in C++ extern \"C\", and keep it in the version script")
  static let entryMajor = Rule(
    "ENTRY-MAJOR", "10", "the entry returns NULL for a major that the plugin can't serve",
    mend: "compare host_major with STADION_ABI_MAJOR first")
  static let entryNull = Rule(
    "ENTRY-NULL", "10", "the entry returns the table for a host of its own major", mend: "return &table")
  static let entrySame = Rule(
    "ENTRY-SAME", "10", "the entry is pure: the same table every time", mend: "return the address of one static table")
  static let entryThreads = Rule(
    "ENTRY-THREADS", "10", "opening the library and its entry start no thread", mend: "start threads in open or create")
  static let tableSize = Rule(
    "TABLE-SIZE", "9", "the table's struct_size is its size in bytes", mend: "set .struct_size = sizeof table")
  static let tableABI = Rule(
    "TABLE-ABI", "1", "the runner has the host's major and a minor that the host opens, none newer than its own",
    mend: "build with the header of this host; set abi_major and abi_minor from its macros")
  static let tableID = Rule(
    "TABLE-ID", "9", "the id is text such as org.example.engine", mend: "set .id to the manifest's id")
  static let tableVersion = Rule(
    "TABLE-VERSION", "9", "the version of the runner is text", mend: "set .version", severity: .warning)
  static let tableFunction = Rule(
    "TABLE-FUNCTION", "9", "only probe, metadata and extension may be NULL", mend: "implement the function")
  static let probeZero = Rule(
    "PROBE-ZERO", "9", "a score of 0 means that this build can't run here",
    mend: "check it on a machine that has what it needs", severity: .warning)
  static let openFailed = Rule(
    "OPEN-FAILED", "9", "open makes the plugin ready", mend: "read the reason; say in it what is to be installed")
}

/// Devices.
extension Rule {
  static let deviceNone = Rule(
    "DEVICE-NONE", "5", "after open there is a device", mend: "report one for index 0, or let open fail with the reason"
  )
  static let deviceEnd = Rule(
    "DEVICE-END", "9", "device returns NULL past the end", mend: "compare the index with the number of devices")
  static let deviceSize = Rule(
    "DEVICE-SIZE", "5", "a device's struct_size is its size in bytes", mend: "set .struct_size = sizeof device")
  static let deviceKind = Rule(
    "DEVICE-KIND", "5", "kind_name is a-z, 0-9 and '-', never NULL", mend: "write cpu, gpu or a word of your own")
  static let deviceFormats = Rule(
    "DEVICE-FORMATS", "5", "formats is a NULL-ended list with at least one word",
    mend: "point it at a static array that ends with NULL")
  static let deviceRuns = Rule(
    "DEVICE-RUNS", "5", "max_concurrent_runs is at least 1", mend: "1 lets the host make runs one at a time")
  static let createFailed = Rule(
    "CREATE-FAILED", "9", "create makes a runner for each device", mend: "read the reason; don't report the device then"
  )
  static let life = Rule(
    "LIFE-TWICE", "9", "create and destroy, load and unload work again and again, and do nothing for NULL",
    mend: "keep no state that only the first call sets up")
  static let closeThreads = Rule(
    "CLOSE-THREADS", "9", "the plugin's threads have ended when close returns", mend: "join them in close or destroy",
    severity: .warning)
}
