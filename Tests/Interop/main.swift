import Foundation
import Tokenizer

// Reads a JSON list of texts from standard input and prints the list of their token lists.
// usage: interop-tokens TOKENIZER.json
let tokenizer = try Tokenizer(contentsOf: CommandLine.arguments[1])
let texts = try JSONDecoder().decode([String].self, from: FileHandle.standardInput.readDataToEndOfFile())
print(String(decoding: try JSONEncoder().encode(texts.map { tokenizer.encode($0) }), as: UTF8.self))
