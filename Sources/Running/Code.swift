import CStadionRunner

/// The contract's status codes, typed: C's enumerators arrive in Swift as plain `Int`.
enum Code {
  static let ok = stadion_code(STADION_OK)
  static let cancelled = stadion_code(STADION_CANCELLED)
  static let invalidArgument = stadion_code(STADION_INVALID_ARGUMENT)
  static let notFound = stadion_code(STADION_NOT_FOUND)
  static let unsupported = stadion_code(STADION_UNSUPPORTED)
  static let resourceExhausted = stadion_code(STADION_RESOURCE_EXHAUSTED)
  static let deadlineExceeded = stadion_code(STADION_DEADLINE_EXCEEDED)
  static let failedPrecondition = stadion_code(STADION_FAILED_PRECONDITION)
  static let unavailable = stadion_code(STADION_UNAVAILABLE)
  static let internalError = stadion_code(STADION_INTERNAL)
  static let incompatibleABI = stadion_code(STADION_INCOMPATIBLE_ABI)
}
