// A run whose model, optimizer, stages and sink no module of Sources knows; Tests/ExtensionTests/run kills and resumes it.
// usage: extension-tests RUN_FOLDER fp32|bf16 [EVENT]      (the optimizer's state; the event at which the ranks are killed)
import Commands
import Foundation
import MPI
import Monitoring
import Optimization
import Parallel
import Training

/// What was expected, and what came.
struct Mismatch: Error, CustomStringConvertible {
  let description: String
}

func expect(_ condition: Bool, _ what: String) throws {
  if !condition { throw Mismatch(description: what) }
}

func train(
  _ world: Communicator, _ stop: StopRequest, _ folder: RunFolder, _ velocity: StateArray.ElementType, deadly: String?
) throws {
  var config = RunConfig()
  config.precision = .fp32
  config.parallel.gradientBlocks = 3  // of four: the ring comes round
  var lr = LearningRateConfig()
  lr.peak = 0.05
  var training = TrainingConfig(steps: 200, batch: 12, microBatch: 2, lr: lr, ema: EMAConfig(every: 1, decay: 0.9))
  training.checkpointEvery = 1
  training.validateEvery = training.steps

  let perceptron = TrainingStage<PerceptronTask>("perceptron", training, inputs: [.value("points", Points.identity)]) { _, _ in
    .init(task: PerceptronTask(training), shape: ["widths": Perceptron.widths], optimizer: Momentum(velocity))
  }
  let recorder = EventRecorder(deadly: deadly)
  let run = try Run(config, folder: folder, grid: ProcessGrid(world), stop: stop, sinks: [recorder])
  try run.run([perceptron, FitStage()])

  // Whatever step it resumed at, every later one is reported once, with its checkpoint.
  let words = recorder.words("perceptron")
  let first = recorder.losses.keys.min()!
  let steps = (first...training.steps).flatMap { ["checkpoint \($0)", "step \($0)"] }
  try expect(
    words == ["begun 1/2", "training \(first - 1)"] + steps + ["validation \(training.steps)", "finished 1/2"],
    "the events of the training are \(words)")
  try expect(recorder.words("fit") == ["begun 2/2", "finished 2/2"], "the events of `fit` are \(recorder.words("fit"))")
  try check(recorder, against: Reference(training, seed: UInt64(config.seed), velocity: velocity), velocity)

  let fit = try JSONDecoder().decode([String: Double].self, from: Data(contentsOf: URL(fileURLWithPath: FitStage.file(folder))))
  // The same sums of Doubles in another order.
  try expect(abs(fit["loss"]! - recorder.validationLoss!) < 1e-12, "the finished model is not the one that was validated")
  if world.rank == 0 { print("ok \(first == 1 ? "trained" : "resumed at step \(first - 1)"), \(world.size) ranks, \(velocity)") }
}

/// Losses are those of the reference.
func check(_ recorder: EventRecorder, against reference: Reference, _ velocity: StateArray.ElementType) throws {
  // fp32 has 24 bits, of which 200 steps lose some; a velocity of 8 bits is sometimes rounded to the other side.
  let tolerance = velocity == .fp32 ? 1e-5 : 1e-3
  let worst = recorder.losses.map { abs($1 - reference.losses[$0 - 1]) }.max()!
  try expect(worst < tolerance, "a step's loss differs by \(worst) from the reference")
  let error = abs(recorder.validationLoss! - reference.validationLoss)
  try expect(error < tolerance, "the validation loss differs by \(error) from the reference")
  // Half the variance of the targets is 0.46.
  try expect(recorder.validationLoss! < 0.01, "the loss only falls to \(recorder.validationLoss!)")
}

RankedCommand.withRanks { world, stop in
  let arguments = CommandLine.arguments
  let velocity = StateArray.ElementType(rawValue: arguments[2])!
  try train(world, stop, RunFolder(arguments[1]), velocity, deadly: arguments.count > 3 ? arguments[3] : nil)
}
