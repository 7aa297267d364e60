/// One sentence of the contract that can be checked, and how to keep it.
///
/// Every rule has a planted fault in Tests/ConformanceTests that breaks it.
package struct Rule: Sendable {
  package let id: String
  package let severity: Finding.Severity
  /// Section of stadion_runner.h.
  package let section: String
  package let contract: String
  package let mend: String

  init(_ id: String, _ section: String, _ contract: String, mend: String, severity: Finding.Severity = .error) {
    self.id = id
    self.severity = severity
    self.section = section
    self.contract = contract
    self.mend = mend
  }
}

/// What holds for every call.
extension Rule {
  static let crash = Rule(
    "PROCESS-CRASH", "9", "no call ends the process by a signal",
    mend: "run the call under a debugger or AddressSanitizer; check pointers and sizes before use")
  static let exit = Rule(
    "PROCESS-EXIT", "9", "a runner never calls exit or abort",
    mend: "return a code and a text in the error record instead")
  static let hang = Rule(
    "PROCESS-HANG", "2", "a call returns: a deadline or cancellation ends what takes long",
    mend: "look for a lock, a join or a wait without limit in this call; poll ticket->is_cancelled in loops")
  static let standardOutput = Rule(
    "PROCESS-STDOUT", "8", "standard output belongs to the host; a runner speaks through host->log",
    mend: "replace printf and the engine's default logger by host->log")
  static let logText = Rule(
    "LOG-TEXT", "8", "host->log gets a level of 0 to 3 and a view of UTF-8",
    mend: "map the engine's levels; pass the text's own size", severity: .warning)
  static let errorText = Rule(
    "ERROR-TEXT", "3", "whoever returns a code but OK says why in error->message",
    mend: "write what failed, with which values, into error->message")
  static let errorEnd = Rule(
    "ERROR-NUL", "3", "error->message ends with a NUL inside its 464 bytes", mend: "use snprintf, not memcpy or strncpy"
  )
  static let errorUTF8 = Rule(
    "ERROR-UTF8", "3", "error->message is UTF-8, cut at a character boundary",
    mend: "cut before a byte 10xxxxxx; convert the engine's text")
  static let errorOverrun = Rule(
    "ERROR-OVERRUN", "3", "the callee writes into the error record alone and leaves its struct_size",
    mend: "bound each write by sizeof error->message; never assign the whole record")
  static let errorCode = Rule(
    "ERROR-CODE", "3", "codes are those of section 3; others are read as INTERNAL",
    mend: "put the engine's own code into native_code and return one of the contract's", severity: .warning)
  static let outTouched = Rule(
    "OUT-TOUCHED", "3", "on any code but OK the out parameters are untouched",
    mend: "assign *out as the last step, after everything has worked")
  static let outMissing = Rule(
    "OUT-MISSING", "3", "OK means that *out has been set", mend: "set *out, or return a code that says why not")
}
