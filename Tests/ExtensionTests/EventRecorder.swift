import Foundation
import Monitoring

/// A sink that keeps every event of this rank.
final class EventRecorder: EventSink {
  private(set) var events: [Event] = []
  /// The event at which this rank is killed, in the words of `words`.
  private let deadly: String?

  init(deadly: String?) { self.deadly = deadly }

  func record(_ event: Event) {
    events.append(event)
    if let deadly, word(event) == deadly { kill(getpid(), SIGKILL) }
  }

  /// The events of a stage, in their order, as words: "begun 1/2", "step 7", "checkpoint 7".
  func words(_ stage: String) -> [String] { events.filter { $0.stage == stage }.compactMap(word) }

  private func word(_ event: Event) -> String? {
    let step = event.step.map { " \($0)" } ?? ""
    return switch event.kind {
    case .stageBegun(let number, let count): "begun \(number)/\(count)"
    case .stageFinished(let number, let count, let isGiven): "finished \(number)/\(count)\(isGiven ? ", given" : "")"
    case .trainingBegun: "training\(step)"
    case .step: "step\(step)"
    case .validation: "validation\(step)"
    case .checkpoint: "checkpoint\(step)"
    case .sampleGrid: "image\(step)"
    case .started, .ranks, .histogram, .message, .warning, .skip, .ended: nil
    }
  }

  /// The loss of each training step that was done here, by its number from 1.
  var losses: [Int: Double] {
    events.reduce(into: [:]) { losses, event in
      if case .step(let metrics) = event.kind, let step = event.step { losses[step] = metrics.loss }
    }
  }

  /// The loss of each validation that was done here, by its step.
  var validationLosses: [Int: Double] {
    events.reduce(into: [:]) { losses, event in
      if case .validation(let metrics) = event.kind, let step = event.step {
        losses[step] = metrics.first { $0.name == "loss" }?.value
      }
    }
  }
}
