import Memory

/// A Swift type whose values lie in a safetensors file as they lie in memory.
public protocol TensorElement: BitwiseCopyable {
  static var tensorType: TensorType { get }
}

extension Float: TensorElement {
  public static var tensorType: TensorType { .f32 }
}
extension BFloat16: TensorElement {
  public static var tensorType: TensorType { .bf16 }
}
extension Int32: TensorElement {
  public static var tensorType: TensorType { .i32 }
}
extension UInt16: TensorElement {
  public static var tensorType: TensorType { .u16 }
}
extension UInt8: TensorElement {
  public static var tensorType: TensorType { .u8 }
}
