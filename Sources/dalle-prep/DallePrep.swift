import ArgumentParser
import Commands

@main
struct DallePrep: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "dalle-prep",
    abstract: "Prepares datasets of captioned images for training, and inspects token shards.",
    discussion: """
      From sources to shards: collect, tokenizer, dalle-train --stage dvae, encode. dalle-train alone does all of these, too; use \
      the commands for datasets that are prepared once and trained on several times.
      """,
    subcommands: [Collect.self, Report.self, TrainTokenizer.self, Encode.self, Inspect.self, Verify.self, Show.self])

  static func main() { RankedCommand.main(Self.self) }
}
