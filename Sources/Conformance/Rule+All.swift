extension Rule {
  /// In the order of their files.
  package static let all: [Rule] = [
    .crash, .exit, .hang, .standardOutput, .logText, .errorText, .errorEnd, .errorUTF8, .errorOverrun, .errorCode,
    .outTouched, .outMissing, .libraryOpen, .librarySymbols, .libraryTLS, .libraryTLSFlag, .libraryFile, .exports,
    .entryMissing, .entryMajor, .entryNull, .entrySame, .entryThreads, .tableSize, .tableABI, .tableID, .tableVersion,
    .tableFunction, .probeZero, .openFailed, .deviceNone, .deviceEnd, .deviceSize, .deviceKind, .deviceFormats,
    .deviceRuns, .createFailed, .life, .closeThreads, .badOptions, .loadFailed, .loadMissing, .loadGarbage,
    .loadCrash, .loadCancel, .signatureSize, .signatureName, .signatureType, .signatureShape, .signatureEnd,
    .signatureStable,
    .metadataEnd, .metadataText, .parallelLoads, .leak, .runFailed, .emitSize, .emitName, .emitType, .emitShape,
    .emitBytes, .emitData, .emitTwice, .emitPart, .emitMissing, .emitNull, .emitLate, .emitRefused, .bufferOutside,
    .bufferTwice, .bufferRelease, .bufferChanged, .bufferTouched, .bufferOverrun, .bufferLost, .bufferSpoiled,
    .inputWritten, .inputOverread, .inputKept, .cancelLate, .cancelCode, .cancelUnasked, .allocationCode,
    .concurrentFailed, .concurrentLoads, .concurrentResult,
  ]

  /// The rule with this id: what a check's process reports is read by it.
  static func named(_ id: String) -> Rule? { byID[id] }

  private static let byID = Dictionary(uniqueKeysWithValues: all.map { ($0.id, $0) })
}
