/// A text token (an index into the tokenizer's vocabulary) or an image token (an index into the dVAE's codebook). Either has at most
/// 65,536 entries.
public typealias Token = UInt16
