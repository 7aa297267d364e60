import Inference

extension Provider {
  /// Fetches an object, going on where a broken transfer has stopped.
  ///
  /// - Parameters:
  ///   - rangeName: Of the header that says which part is wanted.
  ///   - make: A request for the object, without the headers that say which part of it.
  /// - Throws: `.conflict` when the object changes between two parts.
  func download(
    _ what: String, range: Range<Int>?, rangeName: String = "range", _ call: StorageCall,
    to sink: @escaping (UnsafeRawBufferPointer) throws(HostError) -> Void, _ make: () -> HTTPRequest
  ) throws(HostError) {
    let download = Download(range, rangeName: rangeName, "\(name): \(what)", sink)
    let answer = try send(
      what, call, accepting: [412, 416], to: HTTPExchange.Sink(head: download.begin, body: download.take),
      progress: { download.position }
    ) { () throws(HostError) in
      var request = make()
      request.headers += download.headers
      return request
    }
    switch answer.status {
    case 412: throw HostError(.conflict, "\(name): \(what): the object has changed while it was read")
    case 416 where download.position == 0: return
    case 416: throw HostError(.invalidRequest, "\(name): \(what): the object ends before byte \(download.position)")
    default: try download.checkEnd()
    }
  }
}
