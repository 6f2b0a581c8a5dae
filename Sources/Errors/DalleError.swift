/// A problem that a user, a file, a disk or a machine causes: one message, and the exit code of its kind.
///
/// The programmer's mistakes trap instead. Messages read `FILE: what is wrong (value, limit); what to do`.
package struct DalleError: Error, CustomStringConvertible, Equatable {
  /// What kind of problem it is; the raw value is the exit code, as in `sysexits.h`.
  package enum Kind: Int32, Sendable {
    /// The command line is wrong (EX_USAGE).
    case usage = 64
    /// A file holds what it must not (EX_DATAERR).
    case data = 65
    /// A file or folder that must be there is not (EX_NOINPUT).
    case noInput = 66
    /// The machine lacks something: memory, a program, another rank (EX_UNAVAILABLE).
    case unavailable = 69
    /// The program broke a rule of its own (EX_SOFTWARE).
    case software = 70
    /// A file cannot be read or written (EX_IOERR).
    case inputOutput = 74
    /// Another job is in the way; later it may work (EX_TEMPFAIL).
    case temporary = 75
    /// The configuration cannot work (EX_CONFIG).
    case configuration = 78
    /// A signal asked to stop before the work was done; `sysexits.h` has no such code.
    case stopped = 79
    /// A training diverged; `sysexits.h` has no such code.
    case diverged = 80
    /// No rank makes progress any more; `sysexits.h` has no such code.
    case hung = 81
  }

  package let kind: Kind
  package let description: String

  package init(_ kind: Kind, _ description: String) { (self.kind, self.description) = (kind, description) }
}
