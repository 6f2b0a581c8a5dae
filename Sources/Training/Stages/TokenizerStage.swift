import Foundation
import Tokenizer

extension Run {
  /// Learns the tokenizer from the training captions, on the coordinator.
  func trainTokenizer() throws -> Bool {
    if FileManager.default.fileExists(atPath: folder.tokenizer) {
      say(.tokenizer, "finished (\(folder.tokenizer), \(try Tokenizer(contentsOf: folder.tokenizer).vocabularyCount) tokens)")
      return true
    }
    say(.tokenizer, "learns at most \(config.tokenizer.vocabulary) tokens from \(source.count(.training)) captions")
    // Every rank must have found the file missing before one makes it.
    try grid.world.barrier()
    if grid.isCoordinator {
      var trainer = BPETrainer(split: config.tokenizer.split)
      for index in 0..<source.count(.training) { for caption in try source.captions(index, .training) { trainer.add(caption) } }
      let tokenizer = trainer.train(vocabulary: config.tokenizer.vocabulary)
      try tokenizer.write(to: folder.tokenizer)
      say(.tokenizer, "wrote \(folder.tokenizer) with \(tokenizer.vocabularyCount) tokens")
    }
    return true
  }
}
