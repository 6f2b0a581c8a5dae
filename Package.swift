// swift-tools-version: 6.1
import PackageDescription

// Kernels vectorise for the machine that builds them. DALLE_MARCH names another target, e.g. x86-64-v3 for a mixed cluster.
let march = Context.environment["DALLE_MARCH"] ?? "native"
let swift: [SwiftSetting] = [.unsafeFlags(["-Xcc", "-march=\(march)"])]
let c: [CSetting] = [.unsafeFlags(["-march=\(march)"])]

/// A Swift target; `holds` are the modules it may see, which keeps arrows pointing down.
func room(_ name: String, holds: [Target.Dependency] = []) -> Target {
  .target(name: name, dependencies: holds, swiftSettings: swift)
}

/// A command. Doors parse flags, call one function and map errors to exit codes.
func door(_ name: String, holds: [Target.Dependency]) -> Target {
  .executableTarget(
    name: name,
    dependencies: holds + ["Doors", .product(name: "ArgumentParser", package: "swift-argument-parser")],
    swiftSettings: swift)
}

/// The tests of one target, in Swift Testing.
func tests(_ name: String, holds: [Target.Dependency]) -> Target {
  .testTarget(name: "\(name)Tests", dependencies: holds + ["TestSupport"], swiftSettings: swift)
}

// Fuzzing needs all modules built for it, so its command is there for `Tests/Fuzz/run` alone.
let fuzzing: [Target] = Context.environment["DALLE_FUZZ"] == nil ? [] : [
  .executableTarget(name: "fuzz-parsers", dependencies: ["FuzzTargets"], path: "Tests/Fuzz/Driver", swiftSettings: swift),
]

let package = Package(
  name: "dalle",
  products: ["dalle-prep", "dalle-train", "dalle-generate", "dalle-eval", "dalle-bench"].map {
    .executable(name: $0, targets: [$0])
  },
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.0.0"),
  ],
  targets: [
    // C: system libraries, and thin functions for what Swift cannot import.
    .systemLibrary(name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
    .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),
    .systemLibrary(name: "COneDNN", providers: [.apt(["libdnnl-dev"])]),
    .systemLibrary(name: "COpenMPI", pkgConfig: "ompi-c", providers: [.apt(["libopenmpi-dev"])]),
    .systemLibrary(name: "CVips", pkgConfig: "vips", providers: [.apt(["libvips-dev"])]),
    .systemLibrary(name: "COpenSSL", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
    .systemLibrary(name: "CLanes"),
    .target(name: "CMPI", dependencies: ["COpenMPI"], cSettings: c),
    .target(
      name: "CDNN", dependencies: ["COneDNN"], cSettings: c, linkerSettings: [.linkedLibrary("dnnl"), .linkedLibrary("gomp")]),
    .target(name: "CImages", dependencies: ["CVips"], cSettings: c, linkerSettings: [.linkedLibrary("jpeg")]),

    // Ground.
    room("Memory"),
    room("Files"),
    room("Random"),
    room("MPI", holds: ["CMPI", "Memory"]),
    room("Monitoring"),
    room("Hashing", holds: ["COpenSSL"]),

    // Arithmetic.
    room("Kernels", holds: ["Memory", "Random", "CLanes", "COpenBLAS", "CDNN"]),
    room("Layers", holds: ["Kernels", "Memory"]),
    room("Models", holds: ["Layers", "Kernels", "Memory"]),

    // Data.
    room("Tokenizer", holds: ["Files", "Random"]),
    room("Images", holds: ["CImages", "Files", "Random"]),
    room("Datasets", holds: ["Images", "Hashing", "Files"]),
    room("Scenes", holds: ["Images", "Random"]),
    room("Shards", holds: ["CZstd", "Files", "Random"]),

    // Training.
    room("Optimization", holds: ["CLanes", "Layers", "Kernels", "Memory"]),
    room("Parallel", holds: ["MPI", "Layers", "Kernels", "Memory"]),
    room("Safetensors", holds: ["Files"]),
    room(
      "Checkpoint",
      holds: ["Safetensors", "Parallel", "Layers", "Memory", "Hashing", "Files"]),
    room(
      "Preparation",
      holds: ["Datasets", "Shards", "Tokenizer", "Generation", "Models", "Layers", "Images", "Random", "Hashing", "MPI", "Monitoring",
        "Files",
      ]),
    room(
      "Training",
      holds: [
        "Preparation", "Datasets",
        "Checkpoint", "Safetensors", "Parallel", "MPI", "Optimization", "Models", "Layers", "Kernels", "Memory", "Random",
        "Tokenizer", "Images", "Scenes", "Shards", "Monitoring", "Generation", "Yams",
        "Hashing", "Files",
      ]),

    // Use.
    room(
      "Generation",
      holds: [
        "Models", "Layers", "Kernels", "Memory", "Random", "Tokenizer", "Images", "Scenes", "Safetensors", "Monitoring", "Files",
      ]),

    room(
      "Reports",
      holds: ["Datasets", "Shards", "Tokenizer", "Generation", "Models", "Layers", "Images", "Random", "Files"]),

    // Doors.
    room(
      "Doors",
      holds: ["Training", "MPI", "Files", .product(name: "ArgumentParser", package: "swift-argument-parser")]),
    door(
      "dalle-prep",
      holds: [
        "Training", "Preparation", "Reports", "Datasets", "Shards", "Tokenizer", "Generation", "Models", "Layers", "Images",
        "Kernels", "Monitoring", "MPI", "Files",
      ]),
    door("dalle-train", holds: ["Training", "MPI", "Parallel"]),
    door("dalle-generate", holds: ["Generation", "Images", "Kernels", "Monitoring", "Files"]),
    door("dalle-eval", holds: ["Training", "Generation", "Images", "Scenes", "Models", "Shards", "Kernels", "Monitoring", "Files"]),
    door(
      "dalle-bench",
      holds: [
        "Training", "Preparation", "Datasets", "Checkpoint", "Generation", "Parallel", "MPI", "Models", "Layers", "Kernels", "Memory", "Monitoring", "Tokenizer",
        "Images", "Shards", "Hashing", "Random", "Files",
      ]),

    // Tests.
    .target(
      name: "TestSupport", dependencies: ["Memory", "Kernels", "Layers", "Safetensors", "Datasets", "Images"], path: "Tests/TestSupport", swiftSettings: swift),
    tests("Hashing", holds: ["Hashing"]),
    tests("Memory", holds: ["Memory"]),
    tests("Random", holds: ["Random"]),
    tests("Kernels", holds: ["Kernels", "Memory", "Random"]),
    tests("Models", holds: ["Models", "Layers", "Kernels", "Memory", "Random", "Safetensors"]),
    tests("Tokenizer", holds: ["Tokenizer", "Random"]),
    tests("Images", holds: ["Images", "Files", "Random"]),
    tests("Scenes", holds: ["Scenes", "Images", "Random"]),
    tests("Shards", holds: ["Shards", "Random"]),
    tests("Optimization", holds: ["Optimization", "Layers", "Memory"]),
    tests("Safetensors", holds: ["Safetensors"]),
    tests("Datasets", holds: ["Datasets", "Images", "Files"]),
    tests("Reports", holds: ["Reports", "Datasets", "Images", "Models", "Layers", "Random", "Shards", "Tokenizer"]),
    tests("Training", holds: ["Training", "Datasets", "Images", "Models", "Layers", "Monitoring", "Memory"]),
    tests("Generation", holds: ["Generation", "Models", "Layers", "Kernels", "Memory", "Random"]),
    .target(
      name: "FuzzTargets", dependencies: ["Datasets", "Safetensors", "Shards", "Tokenizer", "Training", "Files"],
      path: "Tests/Fuzz/Targets", swiftSettings: swift),
    tests("Fuzz", holds: ["FuzzTargets"]),
    .executableTarget(name: "interop-tokens", dependencies: ["Tokenizer"], path: "Tests/Interop", exclude: ["compare.py", "run"], swiftSettings: swift),
    // Run by `Launch/test` under mpirun with 1 to 4 ranks.
    .executableTarget(
      name: "rank-tests",
      dependencies: ["MPI", "Parallel", "Checkpoint", "Layers", "Kernels", "Memory", "Random", "Optimization"],
      path: "Tests/RankTests", exclude: ["run"], swiftSettings: swift),
  ] + fuzzing,
  swiftLanguageModes: [.v6]
)
