// Prints distances of features and structural similarities of images, for scores.py.
// usage: interop-scores FEATURES.safetensors [IMAGE OTHER]...
import Foundation
import Generation
import Images
import Safetensors

let arguments = Array(CommandLine.arguments.dropFirst())
let reader = try SafetensorsReader(arguments[0])
func features(_ name: String, _ reader: SafetensorsReader) throws -> FeatureSet {
  let shape = reader.tensors[name]!.shape
  var values = [Float](repeating: 0, count: shape.reduce(1, *))
  try values.withUnsafeMutableBufferPointer { try reader.read(name, shape: shape, into: $0) }
  return FeatureSet(values, size: shape[1])
}
let (a, b) = (try features("a", reader), try features("b", reader))
let images = try arguments.dropFirst().map { try Image(contentsOf: $0) }
let pairs = stride(from: 0, to: images.count, by: 2).map { (images[$0], images[$0 + 1]) }
let result: [String: [Double]] = [
  "frechet": [a.frechetDistance(to: b)], "kernel": [a.kernelDistance(to: b)],
  "ssim": pairs.map { $0.structuralSimilarity(to: $1) }, "psnr": pairs.map { $0.peakSignalToNoise(to: $1) },
]
print(String(decoding: try JSONEncoder().encode(result), as: UTF8.self))
