// swift-tools-version: 6.1
import PackageDescription

// Kernels vectorise for the machine that builds them. DALLE_MARCH names another target, e.g. x86-64-v3 for a mixed cluster.
let march = Context.environment["DALLE_MARCH"] ?? "native"
let swift: [SwiftSetting] = [.unsafeFlags(["-Xcc", "-march=\(march)"])]
let c: [CSetting] = [.unsafeFlags(["-march=\(march)"])]

/// A Swift module; `dependencies` are the modules it may import, which keeps arrows pointing down.
func module(_ name: String, dependencies: [Target.Dependency] = []) -> Target {
  .target(name: name, dependencies: dependencies, swiftSettings: swift)
}

/// An executable. Executables parse flags, call one function and map errors to exit codes.
func executable(_ name: String, dependencies: [Target.Dependency]) -> Target {
  .executableTarget(
    name: name,
    dependencies: dependencies + ["Commands", .product(name: "ArgumentParser", package: "swift-argument-parser")],
    swiftSettings: swift)
}

/// The tests of one target, in Swift Testing.
func tests(_ name: String, dependencies: [Target.Dependency]) -> Target {
  .testTarget(name: "\(name)Tests", dependencies: dependencies + ["TestSupport"], swiftSettings: swift)
}

// Fuzzing needs all modules built for it, so its command is there for `Tests/Fuzz/run` alone.
let fuzzing: [Target] =
  Context.environment["DALLE_FUZZ"] == nil
  ? []
  : [
    .executableTarget(name: "fuzz-parsers", dependencies: ["FuzzTargets"], path: "Tests/Fuzz/Driver", swiftSettings: swift)
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
    module("Errors"),
    module("Memory", dependencies: ["Errors"]),
    module("Files", dependencies: ["Errors"]),
    module("Random"),
    module("MPI", dependencies: ["CMPI", "Memory"]),
    module("Monitoring"),
    module("Hashing", dependencies: ["COpenSSL"]),

    // Arithmetic.
    module("Kernels", dependencies: ["Memory", "Random", "CLanes", "COpenBLAS", "CDNN"]),
    module("Layers", dependencies: ["Kernels", "Memory"]),
    module("Models", dependencies: ["Layers", "Kernels", "Memory"]),

    // Data.
    module("Tokenizer", dependencies: ["Files", "Errors", "Random"]),
    module("Images", dependencies: ["CImages", "Files", "Errors", "Random"]),
    module("Datasets", dependencies: ["Images", "Hashing", "Files", "Errors"]),
    module("Scenes", dependencies: ["Images", "Random"]),
    module("Shards", dependencies: ["CZstd", "Files", "Errors", "Random"]),

    // Training.
    module("Optimization", dependencies: ["CLanes", "Layers", "Kernels", "Memory"]),
    module("Parallel", dependencies: ["MPI", "Layers", "Kernels", "Memory"]),
    module("Safetensors", dependencies: ["Memory", "Files", "Errors"]),
    module(
      "Checkpoint",
      dependencies: ["Safetensors", "Parallel", "Layers", "Memory", "Hashing", "Files", "Errors"]),
    module(
      "Preparation",
      dependencies: [
        "Datasets", "Shards", "Tokenizer", "Generation", "Models", "Layers", "Images", "Random", "Hashing", "MPI", "Monitoring",
        "Files", "Errors",
      ]),
    module(
      "Training",
      dependencies: [
        "Preparation", "Datasets",
        "Checkpoint", "Safetensors", "Parallel", "MPI", "Optimization", "Models", "Layers", "Kernels", "Memory", "Random",
        "Tokenizer", "Images", "Scenes", "Shards", "Monitoring", "Generation", "Yams",
        "Hashing", "Files",
      ]),

    // Use.
    module(
      "Generation",
      dependencies: [
        "Models", "Layers", "Kernels", "Memory", "Random", "Tokenizer", "Images", "Scenes", "Safetensors", "Monitoring", "Files",
      ]),

    module(
      "Reports",
      dependencies: ["Datasets", "Shards", "Tokenizer", "Generation", "Models", "Layers", "Images", "Random", "Files", "Errors"]),

    // Executables.
    module(
      "Commands",
      dependencies: ["Training", "MPI", "Errors", .product(name: "ArgumentParser", package: "swift-argument-parser")]),
    executable(
      "dalle-prep",
      dependencies: [
        "Training", "Preparation", "Reports", "Datasets", "Shards", "Tokenizer", "Generation", "Models", "Layers", "Images",
        "Kernels", "Monitoring", "MPI", "Files", "Errors",
      ]),
    executable("dalle-train", dependencies: ["Training", "MPI", "Parallel"]),
    executable("dalle-generate", dependencies: ["Generation", "Images", "Kernels", "Monitoring", "Files"]),
    executable(
      "dalle-eval",
      dependencies: ["Training", "Generation", "Images", "Scenes", "Models", "Shards", "Kernels", "Monitoring", "Files"]),
    executable(
      "dalle-bench",
      dependencies: [
        "Training", "Preparation", "Datasets", "Checkpoint", "Generation", "Parallel", "MPI", "Models", "Layers", "Kernels",
        "Memory", "Monitoring", "Tokenizer",
        "Images", "Shards", "Hashing", "Random", "Files", "Errors",
      ]),

    // Tests.
    .target(
      name: "TestSupport", dependencies: ["Memory", "Kernels", "Layers", "Safetensors", "Datasets", "Images"],
      path: "Tests/TestSupport", swiftSettings: swift),
    tests("Hashing", dependencies: ["Hashing"]),
    tests("Memory", dependencies: ["Memory"]),
    tests("Random", dependencies: ["Random"]),
    tests("Kernels", dependencies: ["Kernels", "Memory", "Random"]),
    tests("Models", dependencies: ["Models", "Layers", "Kernels", "Memory", "Random", "Safetensors"]),
    tests("Tokenizer", dependencies: ["Tokenizer", "Random"]),
    tests("Images", dependencies: ["Images", "Files", "Errors", "Random"]),
    tests("Scenes", dependencies: ["Scenes", "Images", "Random"]),
    tests("Shards", dependencies: ["Shards", "Errors", "Random"]),
    tests("Optimization", dependencies: ["Optimization", "Layers", "Memory"]),
    tests("Safetensors", dependencies: ["Safetensors", "Memory"]),
    tests("Datasets", dependencies: ["Datasets", "Images", "Files", "Errors"]),
    tests("Reports", dependencies: ["Reports", "Datasets", "Images", "Models", "Layers", "Random", "Shards", "Tokenizer"]),
    tests("Training", dependencies: ["Training", "Datasets", "Images", "Models", "Layers", "Monitoring", "Memory"]),
    tests("Generation", dependencies: ["Generation", "Models", "Layers", "Kernels", "Memory", "Random"]),
    .target(
      name: "FuzzTargets", dependencies: ["Datasets", "Safetensors", "Shards", "Tokenizer", "Training", "Files"],
      path: "Tests/Fuzz/Targets", swiftSettings: swift),
    tests("Fuzz", dependencies: ["FuzzTargets"]),
    .executableTarget(
      name: "interop-tokens", dependencies: ["Tokenizer"], path: "Tests/Interop", exclude: ["compare.py", "run"],
      swiftSettings: swift),
    // Run by `Launch/test` under mpirun with 1 to 4 ranks.
    .executableTarget(
      name: "rank-tests",
      dependencies: ["MPI", "Parallel", "Checkpoint", "Layers", "Kernels", "Memory", "Random", "Optimization"],
      path: "Tests/RankTests", exclude: ["run"], swiftSettings: swift),
  ] + fuzzing,
  swiftLanguageModes: [.v6]
)
