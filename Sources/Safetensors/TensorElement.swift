import Memory

/// A Swift type whose values lie in a safetensors file as they lie in memory.
package protocol TensorElement: BitwiseCopyable {
  static var tensorType: TensorType { get }
}

extension Float: TensorElement {
  package static var tensorType: TensorType { .f32 }
}
extension BFloat16: TensorElement {
  package static var tensorType: TensorType { .bf16 }
}
extension Int32: TensorElement {
  package static var tensorType: TensorType { .i32 }
}
extension UInt16: TensorElement {
  package static var tensorType: TensorType { .u16 }
}
extension UInt8: TensorElement {
  package static var tensorType: TensorType { .u8 }
}
