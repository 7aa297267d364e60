import Catalog
import Inference
import Serving
import Wire

/// Takes the body of a request into an upload.
final class UploadSink: BodySink {
  private let upload: Upload

  init(_ upload: Upload) { self.upload = upload }

  func take(_ piece: LentBytes) async throws(HostError) { try await upload.append(piece) }

  func end() async { await upload.end() }
}
