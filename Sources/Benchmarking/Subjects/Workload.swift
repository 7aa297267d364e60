package import StadionClient

/// The tensors of one request, and where they come from.
package struct Sample: Sendable {
  /// The file's name, or the tag that several files share; empty for generated tensors.
  package let name: String
  package let tensors: [DenseTensor]

  package init(name: String = "", _ tensors: [DenseTensor]) {
    self.name = name
    self.tensors = tensors
  }
}

/// What the requests of a load carry: one sample after the other, again and again.
package struct Workload: Sendable {
  /// Rows of each request; nil for the samples as they are.
  package let batch: Int?
  /// Never empty.
  package let samples: [Sample]

  package init(batch: Int? = nil, _ samples: [Sample]) {
    precondition(!samples.isEmpty)
    self.batch = batch
    self.samples = samples
  }
}
