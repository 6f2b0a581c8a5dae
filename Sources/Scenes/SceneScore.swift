/// How many prompts' images show what the prompt describes.
package struct SceneScore: Codable, Sendable, Equatable {
  package private(set) var prompts = 0
  package private(set) var shapesAndColors = 0
  package private(set) var sizes = 0
  package private(set) var relation = 0
  /// Shapes, colors, sizes and relation.
  package private(set) var everything = 0

  package init() {}

  package mutating func add(_ verdict: SceneVerdict) {
    prompts += 1
    if verdict.shapesAndColors { shapesAndColors += 1 }
    if verdict.sizes { sizes += 1 }
    if verdict.relation { relation += 1 }
    if verdict.isRight { everything += 1 }
  }

  /// "shapes and colors 93.8 %, with sizes 90.6 %, with relation 92.2 %, everything 89.1 % of 64 prompts"
  package var summary: String {
    func share(_ count: Int) -> String {
      let permille = prompts == 0 ? 0 : (1000 * count + prompts / 2) / prompts
      return "\(permille / 10).\(permille % 10) %"
    }
    return "shapes and colors \(share(shapesAndColors)), with sizes \(share(sizes)), with relation \(share(relation)), "
      + "everything \(share(everything)) of \(prompts) prompts"
  }
}
