import ArgumentParser
import Commands

@main
struct DallePrep: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "dalle-prep",
    abstract: "Makes datasets of captioned images ready for training, and looks into token shards.",
    discussion: """
      From a collection to shards: collect, tokenizer, then dalle-train --stage dvae, then encode. dalle-train alone does all of \
      it, too; these commands are for collections that are prepared once and trained on often.
      """,
    subcommands: [Collect.self, Report.self, TrainTokenizer.self, Encode.self, Inspect.self, Verify.self, Show.self])

  static func main() { RankedCommand.main(Self.self) }
}
