import Errors
import Files
import Generation
import Hashing
import Models
import Shards
import Tokenizer

extension ShardHeader {
  /// The header of shards made with the tokenizer and the dVAE in a model folder.
  package init(
    modelFolder: String, tokenizer: Tokenizer, dvae: DVAEConfig, textLength: Int, frameSamples: Int
  ) throws {
    func hash(_ name: String) throws -> String {
      let path = "\(modelFolder)/\(name)"
      guard let hash = SHA256.hex(ofFile: path) else { throw DalleError.file(path, "cannot be read") }
      return hash
    }
    self.init(
      textLength: textLength, grid: dvae.grid, textVocabulary: tokenizer.vocabularyCount, imageVocabulary: dvae.vocabulary,
      frameSamples: frameSamples, tokenizer: try hash(ModelBundle.File.tokenizer), dvae: try hash(ModelBundle.File.dvaeWeights))
  }
}
