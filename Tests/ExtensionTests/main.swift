// A run whose model, optimizer, stages and sink no module of Sources knows; Tests/ExtensionTests/run kills and resumes it.
// usage: extension-tests RUN_FOLDER fp32|bf16|local [EVENT]
//   fp32, bf16: the optimizer's state; local: every rank is a node that trains apart from the others, with state in fp32
//   EVENT: at which the ranks are killed
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
  _ world: Communicator, _ stop: StopRequest, _ folder: RunFolder, _ velocity: StateArray.ElementType, isLocal: Bool,
  deadly: String?
) throws {
  var config = RunConfig()
  config.precision = .fp32
  config.parallel.gradientBlocks = 3  // of four: the ring comes round
  var lr = LearningRateConfig()
  lr.peak = 0.05
  // Three ranks have 4, 4 and 5 samples.
  var training = TrainingConfig(steps: 200, batch: 13, microBatch: 2, lr: lr, ema: EMAConfig(every: 1, decay: 0.9))
  if isLocal {
    (config.parallel.ranksPerNode, config.parallel.localUpdates) = (1, 7)
    // Rounds are few.
    config.parallel.outer.momentum = 0.5
    // One node evaluates the weights of the newest exchange; step 100 is within a round.
    training.ema.every = world.size == 1 ? 0 : 2
  }
  training.checkpointEvery = 1
  training.validateEvery = 100

  let perceptron = TrainingStage<PerceptronTask>("perceptron", training, inputs: [.value("points", Points.identity)]) { _, _ in
    .init(task: PerceptronTask(training), shape: ["widths": Perceptron.widths], optimizer: Momentum(velocity))
  }
  let recorder = EventRecorder(deadly: deadly)
  let grid = try ProcessGrid(world, ranksPerNode: config.parallel.ranksPerNode)
  let run = try Run(config, folder: folder, grid: grid, stop: stop, sinks: [recorder])
  try run.run([perceptron, FitStage()])

  // Whatever step it resumed at, every later one is reported once, with its checkpoint.
  let words = recorder.words("perceptron")
  let first = recorder.losses.keys.min()!
  // A step that changed nothing has no checkpoint.
  let spoiled = PerceptronTask.spoiledStep + 1
  var expected = ["begun 1/2", "training \(first - 1)"]
  for step in first...training.steps {
    if step != spoiled { expected.append("checkpoint \(step)") }
    expected.append("step \(step)")
    if step % training.validateEvery == 0 { expected.append("validation \(step)") }
  }
  try expect(words == expected + ["finished 1/2"], "the events of the training are \(words)")
  try expect(recorder.words("fit") == ["begun 2/2", "finished 2/2"], "the events of `fit` are \(recorder.words("fit"))")
  let reference = Reference(
    training, seed: UInt64(config.seed), velocity: velocity, nodes: isLocal ? world.size : 1, parallel: config.parallel)
  try check(recorder, against: reference, velocity)

  let fit = try JSONDecoder().decode([String: Double].self, from: Data(contentsOf: URL(fileURLWithPath: FitStage.file(folder))))
  // The same sums of Doubles in another order.
  try expect(
    abs(fit["loss"]! - recorder.validationLosses[training.steps]!) < 1e-12, "the finished model is not the one that was validated")
  let state = isLocal ? "local updates" : "\(velocity)"
  if world.rank == 0 { print("ok \(first == 1 ? "trained" : "resumed at step \(first - 1)"), \(world.size) ranks, \(state)") }
}

/// Losses are those of the reference.
func check(_ recorder: EventRecorder, against reference: Reference, _ velocity: StateArray.ElementType) throws {
  // fp32 has 24 bits, of which 200 steps lose some; a velocity of 8 bits is sometimes rounded to the other side.
  let tolerance = velocity == .fp32 ? 1e-5 : 1e-3
  let worst = recorder.losses.map { abs($1 - reference.losses[$0 - 1]) }.max()!
  try expect(worst < tolerance, "a step's loss differs by \(worst) from the reference")
  for (step, loss) in recorder.validationLosses {
    let error = abs(loss - reference.validationLosses[step]!)
    try expect(error < tolerance, "the validation loss of step \(step) differs by \(error) from the reference")
  }
  // Half the variance of the targets is 0.46.
  let last = recorder.validationLosses.max { $0.key < $1.key }!.value
  try expect(last < 0.01, "the loss only falls to \(last)")
}

RankedCommand.withRanks { world, stop in
  let arguments = CommandLine.arguments
  let isLocal = arguments[2] == "local"
  let velocity = isLocal ? .fp32 : StateArray.ElementType(rawValue: arguments[2])!
  try train(world, stop, RunFolder(arguments[1]), velocity, isLocal: isLocal, deadly: arguments.count > 3 ? arguments[3] : nil)
}
