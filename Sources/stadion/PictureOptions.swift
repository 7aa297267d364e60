import StadionClient
import Wire

/// `--picture` of the command line: the `image` hints of `model.json` for those who have none.
enum PictureOptions {
  /// - Parameter text: `layout=nhwc,order=bgr,mean=0.5:0.5:0.5,scale=2`, in any order.
  static func json(_ text: String) throws(UsageError) -> JSONValue {
    var members: [JSONValue.Member] = []
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      let words = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      guard words.count == 2, !members.contains(where: { $0.key == words[0] }) else {
        throw UsageError("--picture wants KEY=VALUE,…, each key once, not \"\(text)\"")
      }
      switch words[0] {
      case "layout", "order": members.append(.init(words[0], .string(words[1])))
      case "mean", "scale":
        let numbers = words[1].split(separator: ":", omittingEmptySubsequences: false).map { Double($0) }
        guard numbers.allSatisfy({ $0?.isFinite == true }) else {
          throw UsageError("--picture \(words[0]) wants a number, or one a channel as 0.5:0.5:0.5, not \"\(words[1])\"")
        }
        members.append(.init(words[0], .array(numbers.compactMap { $0 }.map { .number($0.description) })))
      default: throw UsageError("--picture has layout, order, mean and scale, no \"\(words[0])\"")
      }
    }
    return .object(members)
  }

  /// What the model says of its inputs, with the picture hints of the command line in place of its own.
  static func merged(_ picture: JSONValue?, into hints: JSONValue?, _ inputs: [String]) -> JSONValue? {
    guard let picture else { return hints }
    return .object(
      inputs.map { name in
        .init(name, .object((hints?[name]?.members ?? []).filter { $0.key != "image" } + [.init("image", picture)]))
      })
  }
}
