// swift-tools-version: 6.2
import PackageDescription

// Kernels vectorise for the machine that builds them. DALLE_MARCH names another target, e.g. x86-64-v3 for a mixed cluster.
let march = Context.environment["DALLE_MARCH"] ?? "native"
// DALLE_CI makes warnings errors: a compiler that warns of something new must not keep a user from building.
let isStrict = Context.environment["DALLE_CI"] != nil
let swift: [SwiftSetting] =
  [.unsafeFlags(["-Xcc", "-march=\(march)"])] + (isStrict ? [.treatAllWarnings(as: .error)] : [])
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
  products: ["dalle-prep", "dalle-train", "dalle-generate", "dalle-eval", "dalle-bench", "dalle-monitor"].map {
    .executable(name: $0, targets: [$0])
  },
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
    .package(url: "https://github.com/apple/swift-collections", from: "1.1.0"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.0.0"),
  ],
  targets: [
    // C: system libraries, and thin functions for what Swift cannot import.
    .systemLibrary(name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
    .systemLibrary(name: "CArchive", pkgConfig: "libarchive", providers: [.apt(["libarchive-dev"])]),
    .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),
    .systemLibrary(name: "COneDNN", providers: [.apt(["libdnnl-dev"])]),
    .systemLibrary(name: "COpenMPI", pkgConfig: "ompi-c", providers: [.apt(["libopenmpi-dev"])]),
    .systemLibrary(name: "CVips", pkgConfig: "vips", providers: [.apt(["libvips-dev"])]),
    .systemLibrary(name: "COpenSSL", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
    .systemLibrary(name: "CLanes"),
    .systemLibrary(name: "CMemory"),
    .target(name: "CMPI", dependencies: ["COpenMPI"], cSettings: c),
    .target(
      name: "CDNN", dependencies: ["COneDNN"], cSettings: c, linkerSettings: [.linkedLibrary("dnnl"), .linkedLibrary("gomp")]),
    .target(name: "CImages", dependencies: ["CVips"], cSettings: c, linkerSettings: [.linkedLibrary("jpeg")]),

    // Ground.
    module("Errors"),
    module("Memory", dependencies: ["Errors", "CMemory"]),
    module("Files", dependencies: ["Errors"]),
    module("Random"),
    module("Tokens"),
    module("MPI", dependencies: ["Memory", "Errors", "CMPI"]),
    module("Monitoring", dependencies: ["Files", "Errors"]),
    module("Hashing", dependencies: ["COpenSSL"]),

    // Arithmetic.
    module("Kernels", dependencies: ["Tokens", "Random", "Memory", "CDNN", "CLanes", "COpenBLAS"]),
    module("Layers", dependencies: ["Kernels", "Random", "Memory"]),
    module("Models", dependencies: ["Layers", "Kernels", "Tokens", "Memory", "Errors"]),

    // Data.
    module(
      "Tokenizer",
      dependencies: [
        "Tokens", "Random", "Files", "Errors", .product(name: "HeapModule", package: "swift-collections"),
      ]),
    module("Images", dependencies: ["Random", "Files", "Errors", "CImages"]),
    module("Datasets", dependencies: ["Images", "Hashing", "Files", "Errors", "CArchive"]),
    module("Scenes", dependencies: ["Images", "Random"]),
    module("Shards", dependencies: ["Tokens", "Random", "Files", "Errors", "CZstd"]),

    // Training.
    module("Optimization", dependencies: ["Layers", "Kernels", "Random", "Memory", "CLanes"]),
    module("Parallel", dependencies: ["Optimization", "Layers", "Kernels", "Monitoring", "MPI", "Random", "Memory", "Errors"]),
    module("Safetensors", dependencies: ["Files", "Memory", "Errors"]),
    module(
      "Checkpoint",
      dependencies: [
        "Safetensors", "Parallel", "Optimization", "Layers", "Kernels", "Hashing", "MPI", "Files", "Memory", "Errors",
      ]),
    module(
      "Preparation",
      dependencies: [
        "Generation", "Shards", "Datasets", "Images", "Tokenizer", "Models", "Layers", "Kernels", "Hashing", "Monitoring", "MPI",
        "Random", "Files", "Errors",
      ]),
    module(
      "Training",
      dependencies: [
        "Generation", "Preparation", "Checkpoint", "Parallel", "Optimization", "Shards", "Scenes", "Datasets", "Images",
        "Tokenizer", "Models", "Layers", "Kernels", "Hashing", "Monitoring", "MPI", "Tokens", "Random", "Files", "Memory",
        "Errors", "Yams",
      ]),

    // Use.
    module(
      "Generation",
      dependencies: [
        "Safetensors", "Scenes", "Images", "Tokenizer", "Models", "Layers", "Kernels", "Tokens", "Hashing", "Random", "Files",
        "Memory", "Errors", "COpenBLAS", .product(name: "HeapModule", package: "swift-collections"),
      ]),

    module("Watching", dependencies: ["Monitoring", "Files", "Errors", "Yams"]),
    module(
      "Reports",
      dependencies: [
        "Watching", "Generation", "Shards", "Datasets", "Images", "Tokenizer", "Models", "Layers", "Monitoring", "Random",
        "Files", "Errors",
      ]),

    // Executables.
    module(
      "Commands",
      dependencies: [
        "Generation", "Parallel", "Monitoring", "MPI", "Memory", "Errors",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),
    executable(
      "dalle-prep",
      dependencies: [
        "Reports", "Generation", "Training", "Preparation", "Shards", "Datasets", "Images", "Tokenizer", "Models", "Layers",
        "Kernels", "Monitoring", "Files", "Errors",
      ]),
    executable("dalle-train", dependencies: ["Training", "Preparation", "Parallel", "Monitoring", "MPI", "Files", "Errors"]),
    executable("dalle-generate", dependencies: ["Generation", "Images", "Kernels", "Monitoring", "Files"]),
    executable(
      "dalle-eval",
      dependencies: ["Reports", "Generation", "Datasets", "Images", "Kernels", "Monitoring", "Random", "Files", "Errors"]),
    executable(
      "dalle-bench",
      dependencies: [
        "Generation", "Training", "Preparation", "Parallel", "Optimization", "Shards", "Datasets", "Images", "Tokenizer",
        "Models", "Layers", "Kernels", "Hashing", "Monitoring", "MPI", "Tokens", "Random", "Files", "Memory", "Errors",
      ]),

    executable("dalle-monitor", dependencies: ["Reports", "Watching", "Files", "Errors"]),

    // Tests.
    .target(
      name: "TestSupport", dependencies: ["Memory", "Kernels", "Layers", "Safetensors", "Datasets", "Images"],
      path: "Tests/TestSupport", swiftSettings: swift),
    tests("Hashing", dependencies: ["Hashing"]),
    tests("Memory", dependencies: ["Memory"]),
    tests("Files", dependencies: ["Files", "Errors"]),
    tests("Monitoring", dependencies: ["Monitoring", "Files", "Errors"]),
    tests("Watching", dependencies: ["Reports", "Watching", "Images", "Errors"]),
    tests("Random", dependencies: ["Random"]),
    tests("Kernels", dependencies: ["Kernels", "Random", "Memory"]),
    tests("Models", dependencies: ["Safetensors", "Models", "Layers", "Kernels", "Tokens", "Random", "Memory", "Errors"]),
    tests("Tokenizer", dependencies: ["Tokenizer", "Random"]),
    tests("Images", dependencies: ["Images", "Random", "Files", "Errors"]),
    tests("Scenes", dependencies: ["Scenes", "Images", "Random"]),
    tests("Shards", dependencies: ["Shards", "Random", "Errors"]),
    tests("Optimization", dependencies: ["Optimization", "Layers", "Memory", "CLanes"]),
    tests("Parallel", dependencies: ["Parallel", "Optimization", "Layers", "Kernels", "Memory"]),
    tests("Safetensors", dependencies: ["Safetensors", "Memory"]),
    tests("Datasets", dependencies: ["Datasets", "Images", "Errors"]),
    tests("Reports", dependencies: ["Reports", "Shards", "Datasets", "Images", "Tokenizer", "Models", "Layers", "Random"]),
    tests(
      "Training",
      dependencies: [
        "Training", "Preparation", "Parallel", "Optimization", "Layers", "Kernels", "Models", "Datasets", "Tokenizer", "Monitoring",
        "Images", "Random", "Files", "Errors",
      ]),
    tests(
      "Generation",
      dependencies: [
        "Generation", "Images", "Models", "Layers", "Kernels", "Tokens", "Random", "Memory", "Errors", "Files", "Hashing",
        "Safetensors",
      ]),
    .target(
      name: "FuzzTargets", dependencies: ["Datasets", "Images", "Safetensors", "Shards", "Tokenizer", "Training", "Files"],
      path: "Tests/Fuzz/Targets", swiftSettings: swift),
    tests("Fuzz", dependencies: ["FuzzTargets"]),
    .executableTarget(
      name: "interop-tokens", dependencies: ["Tokenizer"], path: "Tests/Interop",
      exclude: ["compare.py", "scores.py", "scores", "imagenet", "imagenet.py", "run"],
      swiftSettings: swift),
    .executableTarget(
      name: "interop-scores", dependencies: ["Generation", "Images", "Safetensors"], path: "Tests/Interop/scores",
      swiftSettings: swift),
    // Run by `Launch/test` under mpirun with 1 to 4 ranks.
    .executableTarget(
      name: "rank-tests",
      dependencies: ["MPI", "Parallel", "Checkpoint", "Layers", "Kernels", "Memory", "Random", "Optimization", "Files", "Errors"],
      path: "Tests/RankTests", exclude: ["run"], swiftSettings: swift),
    // A model, an optimizer, stages and a sink that no module of Sources knows.
    .executableTarget(
      name: "extension-tests",
      dependencies: [
        "Commands", "Training", "Parallel", "Optimization", "Safetensors", "Layers", "Kernels", "Memory", "MPI", "Monitoring",
        "Random", "Files",
      ],
      path: "Tests/ExtensionTests", exclude: ["run"], swiftSettings: swift),
  ] + fuzzing,
  swiftLanguageModes: [.v6]
)
