import CDNN
import Memory

/// Ends the program where oneDNN was refused memory for `work`; every other failure is a mistake of ours.
func checkOneDNN(_ status: Int32, _ work: @autoclosure () -> String) {
  if status == CDNN_OUT_OF_MEMORY { OutOfMemory.end(work()) }
  precondition(status == 0, "oneDNN: \(work()): \(String(cString: cdnn_status_name(status)))")
}
