import Files
import Foundation
import Layers
import Safetensors
import Training

/// A stage that trains nothing: it loads the finished perceptron and writes how well it fits the validation samples.
struct FitStage: Stage {
  let name = "fit"

  private func weights(_ folder: RunFolder) -> String { "\(folder.model)/perceptron.safetensors" }
  static func file(_ folder: RunFolder) -> String { "\(folder.work("fit"))/fit.json" }

  func inputs(in folder: RunFolder) -> [StageInput] { [.files("perceptron", [weights(folder)])] }

  func product(in folder: RunFolder) -> StageProduct {
    StageProduct(files: [Self.file(folder)], identity: [Self.file(folder)], folders: [folder.work(name)])
  }

  func run(in run: Run, inputs: [String: String]) throws {
    try run.grid.world.onCoordinator {
      let model = Perceptron()
      let store = LocalParameters(model.table, gradients: false)
      let reader = try SafetensorsReader(weights(run.folder))
      for parameter in model.table.parameters {
        let values = store.weights(of: parameter.block)[parameter]
        try reader.read(
          parameter.name, shape: parameter.shape, into: UnsafeMutableBufferPointer(start: values.base, count: values.count))
      }
      let points = Points(Points.validation)
      let loss = points.loss(try model.answers(points, store)) / Double(points.count)
      try makeFolder(run.folder.work(name))
      try replaceFile(Self.file(run.folder), with: JSONEncoder().encode(["loss": loss]))
    }
  }
}
