import CLinux
import Routing
import Telemetry
import Wire

/// The statistics extension. protocol.md section 14.
extension Routes {
  func statistics(of versions: [ServedVersion]) -> JSONValue {
    ["model_stats": .array(versions.map { statistics(of: $0) })]
  }

  private func statistics(of served: ServedVersion) -> JSONValue {
    let statistics = served.statistics
    let runs = statistics.runs
    func ofAnswers(_ nanoseconds: UInt64) -> JSONValue {
      ["count": .integer(runs.all.count), "ns": .integer(nanoseconds)]
    }
    // A run is one request's: its batch is what the request holds.
    let batches = runs.byRows.map { entry -> JSONValue in
      [
        "batch_size": .integer(entry.rows), "compute_input": duration(entry.sums.input),
        "compute_infer": duration(entry.sums.run), "compute_output": duration(entry.sums.output),
      ]
    }
    return [
      "name": .string(served.model), "version": .string(served.version),
      "last_inference": .integer(wallClockMs(of: statistics.lastInference)),
      "inference_count": .integer(runs.rowCount),
      "execution_count": .integer(runs.all.count + statistics.failedRuns.count),
      "inference_stats": [
        "success": ofAnswers(statistics.totalRequestNs), "fail": duration(statistics.fail.total),
        "queue": ofAnswers(statistics.totalQueueNs), "compute_input": duration(runs.all.input),
        "compute_infer": duration(runs.all.run), "compute_output": duration(runs.all.output),
        "cache_hit": ["count": 0, "ns": 0], "cache_miss": ["count": 0, "ns": 0],
      ],
      "response_stats": [:],
      "batch_stats": .array(batches),
      // A runner's process holds its engine and all of its models; what one of them takes it isn't asked.
      "memory_usage": [],
    ]
  }

  private func duration(_ total: DurationTotal) -> JSONValue {
    ["count": .integer(total.count), "ns": .integer(total.nanoseconds)]
  }

  /// Milliseconds since 1970 of a moment on CLOCK_MONOTONIC; 0 for never.
  private func wallClockMs(of monotonicNs: UInt64) -> UInt64 {
    if monotonicNs == 0 { return 0 }
    return (WallClock.nowNs - (linux_now_ns() - monotonicNs)) / 1_000_000
  }
}
