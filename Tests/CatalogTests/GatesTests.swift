import Admission
import Inference
import Testing
import Wire

@testable import Catalog

@Suite struct `Gates as JSON` {
  @Test(arguments: [
    "{}", #"{"stages":["staging","production"],"warmUp":{"runs":5,"timeoutMs":1000}}"#,
    #"{"stages":["production"],"parity":{"inputs":1,"seed":9,"relative":0.5,"absolute":0.25},"approver":"publish","approval":"admin"}"#,
    #"{"stages":["production"],"warmUp":{"runs":3,"timeoutMs":60000},"shapes":{"X":[1,-0],"Y":[]}}"#,
  ]) func `are read and written without loss`(text: String) throws {
    let gates = try Gates(try JSONValue(parsing: text))
    #expect(try Gates(gates.json) == gates)
    #expect(gates.json.text == text.replacing("-0", with: "0"))
  }

  @Test func `have defaults, and null is none`() throws {
    let gates = try Gates(try JSONValue(parsing: #"{"warmUp": {}, "parity": {}, "approver": null}"#))
    #expect(gates.warmUp == Gates.WarmUp() && gates.parity == Gates.Parity() && gates.approver == nil)
    #expect(gates.stages == [.production] && !gates.isEmpty)
    #expect(try Gates(["shapes": ["X": [1]]]).isEmpty)
  }

  @Test(arguments: [
    (#"[]"#, "must be an object"), (#"{"warmup": {}}"#, "'warmup' is no gate"),
    (#"{"warmUp": {"runs": 0}}"#, "'warmUp.runs' must be an integer from 1 to 1000, not 0"),
    (#"{"warmUp": {"time": 0}}"#, "'warmUp.time' is no gate"), (#"{"parity": 1}"#, "'parity' must be an object"),
    (#"{"parity": {"seed": -1}}"#, "from 0 to"), (#"{"parity": {"relative": -1}}"#, "must be a number from 0 on"),
    (#"{"parity": {"absolute": 1e999}}"#, "must be a number from 0 on"),
    (#"{"approver": "root"}"#, "infer, publish, admin"), (#"{"approval": "infer"}"#, "one of publish, admin, not"),
    (#"{"stages": []}"#, "staging, production or both"), (#"{"stages": ["archived"]}"#, "staging, production or both"),
    (#"{"stages": ["staging", "staging"]}"#, "staging, production or both"),
    (#"{"shapes": {"X": [-1]}}"#, "'shapes.X' must be a list of sizes"), (#"{"shapes": {"X": 1}}"#, "list of sizes"),
  ]) func `are refused by key`(text: String, words: String) throws {
    let error = #expect(throws: HostError.self) { try Gates(try JSONValue(parsing: text)) }
    #expect(error?.code == .invalidRequest && error?.message.contains(words) == true, "\(error?.message ?? "")")
  }
}
