import Foundation
import Testing

@testable import Training

@Suite struct EarlyStoppingTests {
  private func after(_ losses: [Double]) -> EarlyStopping {
    var stopping = EarlyStopping()
    for (index, loss) in losses.enumerated() { stopping.observe(loss, step: 10 * (index + 1)) }
    return stopping
  }

  @Test func trainingEndsAfterValidationsWithoutANewBest() {
    #expect(!after([]).endsTraining(patience: 1))
    #expect(!after([3, 2, 1]).endsTraining(patience: 1))
    // As good as the best is no new best.
    #expect(after([3, 2, 2]).endsTraining(patience: 1) && !after([3, 2, 2]).endsTraining(patience: 2))
    #expect(after([3, 1, 2, 2, 2]).endsTraining(patience: 3) && !after([3, 1, 2, 2, 0.5]).endsTraining(patience: 1))
    #expect(!after([1, 2, 3, 4]).endsTraining(patience: 0))
  }

  @Test func theBestIsTheFirstOfTheLowest() {
    let stopping = after([3, 1, 2, 1])
    #expect(stopping.bestStep == 20 && stopping.bestLoss == 1 && stopping.validatedStep == 40)
    #expect(after([]).bestStep == 0 && after([]).bestLoss == nil)
  }

  @Test func lossesThatAreNotFiniteAreNoBest() {
    #expect(after([.nan, .infinity]).bestLoss == nil && after([.nan, .infinity]).endsTraining(patience: 2))
    let stopping = after([.nan, 2, .nan])
    #expect(stopping.bestStep == 20 && !stopping.endsTraining(patience: 2) && stopping.endsTraining(patience: 1))
  }

  @Test func itComesBackFromACheckpoint() throws {
    for stopping in [after([]), after([3, 1, 2])] {
      #expect(try JSONDecoder().decode(EarlyStopping.self, from: JSONEncoder().encode(stopping)) == stopping)
    }
  }
}
