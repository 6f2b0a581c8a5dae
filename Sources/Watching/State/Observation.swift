/// All that is known about a run at one moment: what is shown, as text or as JSON, is made of this alone.
package struct Observation: Sendable {
  package var folder: String
  /// Seconds since 1970, by this machine's clock.
  package var time: Double
  package var verdict = Verdict(.running)
  /// Whether the files have been read to their ends.
  package var isComplete = true
  package var start: JobStart?
  package var stage: String?
  package var isStageFinished = false
  /// The stage of `training`; another one than `stage` where that one trains nothing.
  package var trainedStage: String?
  package var training: TrainingHistory?
  package var ranks: [RankView] = []
  package var checkpoint: NewestCheckpoint?
  package var freeBytes: Int?
  package var samples: String?
  package var message: Notice?
  /// Of the newest job, the newest last.
  package var warnings: [Notice] = []
  package var skippedSamples = 0
  /// Files that cannot be read.
  package var problems: [String] = []

  package init(folder: String, time: Double) { (self.folder, self.time) = (folder, time) }
}
