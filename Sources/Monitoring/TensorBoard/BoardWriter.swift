import Errors
import Files
import Foundation

/// What is to be written for TensorBoard.
struct BoardEntry: Sendable {
  enum Content: Sendable {
    /// A training begins: what earlier jobs wrote for the entry's step and later ones is void.
    case begin
    case values([(tag: String, value: BoardValue)])
  }

  var stage: String
  var isValidation = false
  var time: Double
  var step: Int
  var content: Content
}

/// Writes entries into `FOLDER/STAGE` and `FOLDER/STAGE/validation`, where TensorBoard finds two runs whose curves it lays over each
/// other. Called by one thread at a time.
struct BoardWriter {
  private let folder: String
  /// Those of the stage that is trained now; the validation's is made with its first value, or where an earlier job left some.
  private var training: EventFile?
  private var validation: EventFile?
  /// The first step of this job.
  private var first = 0

  init(folder: String) { self.folder = folder }

  /// - Throws: `DalleError` where a file cannot be written.
  mutating func write(_ entries: [BoardEntry]) throws {
    for entry in entries {
      let validations = "\(folder)/\(entry.stage)/validation"
      switch entry.content {
      case .begin:
        try flush()
        first = entry.step
        training = try EventFile(folder: "\(folder)/\(entry.stage)", step: first)
        validation = FileManager.default.fileExists(atPath: validations) ? try EventFile(folder: validations, step: first) : nil
      case .values(let values):
        guard let record = record(entry, values) else { continue }
        if entry.isValidation && validation == nil { validation = try EventFile(folder: validations, step: first) }
        try (entry.isValidation ? validation : training)?.append(record)
      }
    }
    try flush()
  }

  private func flush() throws {
    try training?.flush()
    try validation?.flush()
  }

  /// An image that somebody removed is not shown; the other values are.
  private func record(_ entry: BoardEntry, _ values: [(tag: String, value: BoardValue)]) -> [UInt8]? {
    do {
      return try EventMessage.summary(time: entry.time, step: entry.step, values)
    } catch {
      FileWarnings.warn("images for TensorBoard", "\(error). TensorBoard does not show it")
      return nil
    }
  }
}
