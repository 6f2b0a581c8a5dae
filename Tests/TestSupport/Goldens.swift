import Foundation
import Layers
import Memory
import Safetensors
import Testing

/// A file of `Tests/Goldens`, found beside the sources.
package func golden(_ name: String, file: String = #filePath) throws -> SafetensorsReader {
  let tests = URL(fileURLWithPath: file).deletingLastPathComponent().deletingLastPathComponent()
  return try SafetensorsReader(tests.appendingPathComponent("Goldens/\(name)").path)
}

extension LocalParameters {
  /// Weights named `weight/NAME` in a golden file.
  package func load(_ golden: SafetensorsReader) throws {
    for parameter in table.parameters {
      weights(of: parameter.block)[parameter].copy(from: try golden.values("weight/\(parameter.name)", as: Float.self))
    }
  }

  /// Expects every gradient to match `gradient/NAME`, relative to the largest of its parameter.
  package func expectGradients(
    _ golden: SafetensorsReader, tolerance: Float, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    for parameter in table.parameters {
      let expected = try golden.values("gradient/\(parameter.name)", as: Float.self)
      // A single number is a sum over all positions, whose terms nearly cancel.
      let largest = expected.reduce(0) { max($0, abs($1)) } * (expected.count == 1 ? 10 : 1)
      expectClose(
        gradients(of: parameter.block)[parameter].array, expected, absolute: tolerance * largest, parameter.name,
        sourceLocation: sourceLocation)
    }
  }
}
