import RunnerKit

/// Operators of TFLite that remember something from run to run. LiteRT has no call that makes them forget.
enum StatefulOperator {
  private static let names: [Int32: String] = [
    16: "LSTM", 24: "RNN", 27: "SVDF", 35: "UNIDIRECTIONAL_SEQUENCE_RNN", 44: "UNIDIRECTIONAL_SEQUENCE_LSTM",
    46: "BIDIRECTIONAL_SEQUENCE_RNN", 52: "BIDIRECTIONAL_SEQUENCE_LSTM", 144: "ASSIGN_VARIABLE",
  ]

  /// The name of the first one in a model's graphs; nil if there is none.
  static func first(in file: ModelFile) throws(RunnerError) -> String? {
    let api = file.environment.api
    var graphs = 0
    try api.check(api.graphCount(file.handle, &graphs), "number of graphs")
    for index in 0..<graphs {
      let graph = try api.make("graph \(index)") { api.graph(file.handle, index, $0) }
      var operators = 0
      try api.check(api.operatorCount(graph, &operators), "number of operators")
      for place in 0..<operators {
        let made = try api.make("operator \(place)") { api.graphOperator(graph, place, $0) }
        var code: Int32 = 0
        try api.check(api.operatorCode(made, &code), "code of operator \(place)")
        if let name = names[code] { return name }
      }
    }
    return nil
  }
}
