package import Inference

/// A model as it stands in a repository's folder.
package struct ModelEntry: Sendable, Equatable {
  /// Whose repository it stands in.
  package var tenant = TenantID.standard
  package let name: String
  /// The model's folder, absolute, links resolved.
  package let path: String
  /// Sorted by number, lowest first.
  package let versions: [VersionEntry]
  package let settings: ModelSettings
  /// Why `model.json` can't be used; its settings are then the defaults and no version should be served.
  package let settingsProblem: String?

  package init(
    name: String, path: String, versions: [VersionEntry], settings: ModelSettings = ModelSettings(),
    settingsProblem: String? = nil
  ) {
    self.name = name
    self.path = path
    self.versions = versions
    self.settings = settings
    self.settingsProblem = settingsProblem
  }
}

/// One version folder of a model.
package struct VersionEntry: Sendable, Equatable {
  /// The folder's name: decimal digits, as "3" or "01".
  package let label: String
  /// What the label stands for; at most 18 digits.
  package let number: Int
  /// The same model in one or more formats, well-known ones first. Never empty: what is missing has its problem.
  package let files: [ModelFile]

  package init(label: String, number: Int, files: [ModelFile]) {
    self.label = label
    self.number = number
    self.files = files
  }

  /// Why it can't be served; nil if nothing speaks against one of its files.
  package var problem: String? {
    let problems = files.compactMap(\.problem)
    return problems.count == files.count ? problems.joined(separator: "; ") : nil
  }
}

/// A model in one format.
package struct ModelFile: Sendable, Equatable {
  /// Changes whenever the model is written again.
  package struct Stamp: Sendable, Hashable {
    package let modifiedNs: Int64
    package let byteCount: Int64
    package let inode: UInt64

    package init(modifiedNs: Int64, byteCount: Int64, inode: UInt64) {
      self.modifiedNs = modifiedNs
      self.byteCount = byteCount
      self.inode = inode
    }
  }

  /// What a runner loads, absolute, links resolved: a file, or a folder (SavedModel, or a format without a file).
  package let path: String
  /// Empty if it is not known.
  package let format: String
  package let stamp: Stamp
  /// Why it can't be served; nil if nothing speaks against it.
  package let problem: String?
}
