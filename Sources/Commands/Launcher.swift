import Errors
import Foundation

/// Who started this process, and how many beside it, as its environment tells.
struct Launcher {
  private let environment: [String: String]

  init(_ environment: [String: String] = ProcessInfo.processInfo.environment) { self.environment = environment }

  private func number(_ name: String) -> Int? { environment[name].flatMap { Int($0) } }

  /// Whether Open MPI's mpirun started this process.
  var isMPIRun: Bool { environment["OMPI_COMM_WORLD_SIZE"] != nil }

  /// This process's number among the ranks of mpirun; 0 without it.
  var rank: Int { number("OMPI_COMM_WORLD_RANK") ?? 0 }

  /// This process's number among the ranks of its machine.
  var localRank: Int { number("OMPI_COMM_WORLD_LOCAL_RANK") ?? 0 }

  /// Tasks that were started side by side, and the variable that counts them; nil for one.
  private var tasks: (variable: String, count: Int)? {
    var variables = ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE", "MPI_LOCALNRANKS"]
    // `salloc` and `sbatch` count tasks that nobody has started; SLURM_PROCID is there for a task alone.
    if !isMPIRun, environment["SLURM_PROCID"] != nil {
      variables += [environment["SLURM_STEP_NUM_TASKS"] != nil ? "SLURM_STEP_NUM_TASKS" : "SLURM_NTASKS"]
    }
    for variable in variables {
      if let count = number(variable), count > 1 { return (variable, count) }
    }
    return nil
  }

  /// Refuses several tasks that would each be a job of one rank: a launcher that this MPI does not know has started them.
  ///
  /// - Parameter ranks: of the job as MPI sees it; nil before MPI is started, which ends tasks of `srun` that have no PMIx.
  /// - Throws: `DalleError` of kind `unavailable`.
  func check(ranks: Int?) throws {
    guard let (variable, count) = tasks else { return }
    let isConnected = isMPIRun || ["PMIX_RANK", "PMI_RANK", "PMI_FD", "PMI2_HOST"].contains { environment[$0] != nil }
    guard ranks.map({ $0 == 1 }) ?? !isConnected else { return }
    throw DalleError(
      .unavailable,
      "\(variable)=\(count): \(count) tasks were started side by side, but Open MPI does not know of each other's: every one would do "
        + "all of the work in the same folder; start them with the mpirun of the Open MPI that this program was built with (`mpirun -n "
        + "\(count)`), or under Slurm with `srun --mpi=pmix`")
  }
}
