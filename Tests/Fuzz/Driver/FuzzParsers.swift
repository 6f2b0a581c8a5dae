import Foundation
import FuzzTargets

// libFuzzer has the main function, and calls the two functions below by name.
// usage: fuzz-parsers TARGET [LIBFUZZER_OPTION...] [CORPUS_FOLDER...]
//        fuzz-parsers targets
//        fuzz-parsers seeds FOLDER      (writes the seeds)

/// State of the calls, which come from one thread.
private enum Fuzzing {
  nonisolated(unsafe) static var target = FuzzTarget.shard
  nonisolated(unsafe) static let file = FuzzFile()
}

@_cdecl("LLVMFuzzerInitialize")
package func initialize(
  _ count: UnsafeMutablePointer<Int32>, _ values: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>
) -> Int32 {
  let arguments = (0..<Int(count.pointee)).map { String(cString: values.pointee[$0]!) }
  if arguments.dropFirst() == ["targets"] {
    print(FuzzTarget.allCases.map(\.rawValue).joined(separator: " "))
    exit(0)
  }
  if arguments.count == 3, arguments[1] == "seeds" {
    writeSeeds(arguments[2])
    exit(0)
  }
  guard let target = arguments.dropFirst().first.flatMap(FuzzTarget.init) else {
    print("usage: fuzz-parsers TARGET|targets|seeds ...; see Tests/Fuzz/run")
    exit(64)
  }
  Fuzzing.target = target
  // The remaining arguments are libFuzzer's.
  values.pointee[1] = values.pointee[0]
  values.pointee += 1
  count.pointee -= 1
  return 0
}

@_cdecl("LLVMFuzzerTestOneInput")
package func testOneInput(_ bytes: UnsafePointer<UInt8>?, _ size: Int) -> Int32 {
  Fuzzing.target.feed(bytes.map { Data(bytes: $0, count: size) } ?? Data(), Fuzzing.file)
  return 0
}

private func writeSeeds(_ folder: String) {
  do {
    for target in FuzzTarget.allCases {
      try FileManager.default.createDirectory(atPath: "\(folder)/\(target.rawValue)", withIntermediateDirectories: true)
      for (index, seed) in try FuzzSeeds.of(target).enumerated() {
        try seed.write(to: URL(fileURLWithPath: "\(folder)/\(target.rawValue)/seed-\(index)"))
      }
    }
  } catch {
    print("fuzz-parsers: \(error)")
    exit(74)
  }
}
