import CLinux
import Glibc
import Inference
import Running
import StadionClient
import Wire

/// A runner without a host, in a process of its own that this one tells what to run; ended with the last reference.
final class BareRunner {
  let process: Int32
  /// The runner's start, its engine and the model.
  private(set) var loadNs: UInt64 = 0
  /// What this kernel couldn't keep the runner from, one sentence each.
  private(set) var remarks: [String] = []
  private let channel: ControlChannel
  private let folder: String
  private var sampleCount = 0

  /// - Parameter folder: Of a host of the benchmark's own: its model and its manifest are taken.
  init(executable: String, folder: String, model: String) throws(HostError) {
    self.folder = folder
    var ends: [CInt] = [-1, -1]
    guard socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0, &ends) == 0 else {
      throw HostError(.internalError, "no sockets: \(String(cString: strerror(errno)))")
    }
    channel = ControlChannel(ends[0])
    defer { close(ends[1]) }
    process = try HostProcess.start(
      [executable, "bench-process"], log: "\(folder)/bare-log", handing: ends[1])
    try FileBytes.makeFolder("\(folder)/\(BareChild.sampleFolder)")
    let opened = try ask(["open": .string(folder), "model": .string(model)])
    loadNs = UInt64(opened["loadNs"]?.int ?? 0)
    remarks = opened["remarks"]?.array?.compactMap(\.string) ?? []
  }

  deinit { HostProcess.end(process, with: SIGKILL) }

  /// Hands a sample over; each is run once.
  func add(_ tensors: [DenseTensor]) throws(HostError) {
    let file = "\(folder)/\(BareChild.sampleFolder)/\(sampleCount)"
    sampleCount += 1
    try FileBytes.write(tensors.flatMap(\.bytes), to: file)
    defer { unlink(file) }
    _ = try ask(BareMessages.sample(tensors, file: file))
  }

  func closed(
    _ range: Range<Int>, first: Int, settle: Duration, duration: Duration, atLeast: Int
  ) throws(HostError) -> Window {
    let numbers = [
      range.lowerBound, range.upperBound, first, Int(settle / .nanoseconds(1)), Int(duration / .nanoseconds(1)),
      atLeast,
    ]
    let answer = try ask(["run": .array(numbers.map { .integer($0) })])
    guard let window = BareMessages.window(answer) else {
      throw HostError(.internalError, "a benchmark's own message makes no sense")
    }
    guard window.errors < LoadGenerator.mostErrors else {
      throw HostError(.runnerFailed, "\(window.errors) runs failed in process: \(window.problem ?? "no reason given")")
    }
    return window
  }

  private func ask(_ message: JSONValue) throws(HostError) -> JSONValue {
    var answers: [JSONValue]? = channel.send(message) ? [] : nil
    while answers?.isEmpty == true { answers = channel.receive() }
    guard let answer = answers?.first else {
      throw HostError(.runnerFailed, "in process: the runner ended the process: \(lastWords)")
    }
    if let error = answer["error"]?.string { throw HostError(.runnerFailed, "in process: \(error)") }
    return answer
  }

  /// How it ended, and the last line that it wrote.
  private var lastWords: String {
    var info = siginfo_t()
    waitid(P_PID, id_t(process), &info, WEXITED | WNOWAIT)
    let how = info.si_code == CInt(CLD_EXITED) ? "it exited" : "a signal ended it"
    let log = (try? FileBytes.read("\(folder)/bare-log")).map { String(decoding: $0, as: UTF8.self) } ?? ""
    return log.split(separator: "\n").last.map { "\(how), \($0)" } ?? how
  }
}
