import Configuration
import Inference
import StadionClient

/// `stadion reference errors | configuration`: the tables of docs/, made from the code. For `make docs`, not in the help.
enum Reference {
  static func run(_ words: [String]) throws {
    switch words {
    case ["errors"]: print(errors, terminator: "")
    case ["configuration"]: print(configuration, terminator: "")
    default: throw UsageError("stadion reference takes errors or configuration")
    }
  }

  private static var errors: String {
    var lines = [
      """
      # Errors

      <!-- Written by `make docs` from Sources/Inference/HostError+Code.swift. -->

      Every refusal is `{"error": …, "code": …, "requestId": …}`, `"details": {…}` where programs can use more, and the
      caller's `"tenant"` where the host keeps tenants. `error` is for people and may change; `code` keeps its meaning.
      Paths below `/v1/` answer in the form of RFC 9457 where `Accept` names `application/problem+json`: `detail` is the
      text then, and `type` is `urn:stadion:error:CODE`.

      `requestId` repeats the `X-Request-Id` of the request if that is 1 to 128 letters, digits and `-._~:/+=@`; else it is a
      new one. It comes back as the header `X-Request-Id`, too, and stands in each line of the host's log about the
      request, beside the tenant. Both also have `"traceId"` where the request brought a valid `traceparent`, and for a run
      that had begun its `"deadline"`, the time of day until which it must be answered.

      | code | status | meaning | what to do |
      |---|---|---|---|
      """
    ]
    for code in HostError.Code.allCases {
      let facts = code.facts
      let retry = facts.retrySeconds.map { " `Retry-After` is \($0) or more." } ?? ""
      lines.append("| `\(code)` | \(facts.status) | \(facts.meaning) | \(facts.advice)\(retry) |")
    }
    return lines.joined(separator: "\n") + "\n"
  }

  private static var configuration: String {
    """
    # Configuration

    <!-- Written by `make docs` from Sources/stadion/HostSettings.swift. -->

    A key can be set in the JSON file that `stadion serve --config FILE` or `$STADION_CONFIG` names, by a variable, or by a
    flag. A flag wins over a variable, that over the file, and the file over the default. `stadion serve --print-config` shows what is in force and
    where each value comes from; with `--json` for programs.

    In the file, a dot is an object within: `{"serving": {"maxBodyBytes": 1000000}}`; `null` is as if the key weren't there.
    The variable of a key is its path in capitals: `STADION_SERVING_MAX_BODY_BYTES`. Lists stand in arrays in the file, and
    with their separator in variables and flags. Paths start where the host was started, unless they start with `/`. Each
    switch has its opposite: `--watch` and `--no-watch`.

    A key that isn't known, a value of the wrong type or out of range: the host doesn't start, and says which and where.

    Where a file was named, SIGHUP reads it again. Keys marked "changes" take effect at once; others are named in the log as
    needing a restart. If anything is wrong, nothing changes, and the log says why.

    \(Configuration<HostSettings>.reference(HostSettings.all, standard: HostSettings()))
    """
  }
}
