import Catalog
import Inference
import Serving
import Wire

/// Takes the body of a request into an upload.
final class UploadSink: BodySink {
  private let upload: Upload
  private let uploads: Uploads

  init(_ upload: Upload, of uploads: Uploads) {
    self.upload = upload
    self.uploads = uploads
  }

  func take(_ piece: LentBytes) async throws(HostError) { try await upload.append(piece) }

  func end() async { await uploads.end(upload) }
}
