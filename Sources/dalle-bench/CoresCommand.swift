import ArgumentParser
import Monitoring

struct CoresCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cores", abstract: "Prints how many cores this process may use: a good number of ranks for this machine.",
    discussion: "Counts the cores that it may run on, and CPU quotas of control groups.")

  func run() { print(UsableCores().count) }
}
