import Parallel

extension ExchangeCost {
  /// "12.3 MB sent per node and step, gradients 60.7 % less than in fp32 (powersgd), from step 100 on"; with local updates "24.6 MB sent
  /// per node every 50 steps (492 kB per step), in fp32".
  ///
  /// - Parameter firstStep: whose gradients are compressed.
  func text(_ settings: ExchangeSettings, firstStep: Int) -> String {
    let kept = spread > 1 ? ", state spread over \(spread) nodes" : ""
    let sent =
      steps == 1
      ? "\(Plan.scaled(sent)) sent per node and step\(kept)"
      : "\(Plan.scaled(sentAtOnce)) sent per node every \(steps) steps (\(Plan.scaled(sent)) per step)"
    if settings.format == .fp32 { return "\(sent), gradients in fp32" }
    let saved = "gradients \(Plan.percent(compression)) less than in fp32 (\(settings.format.rawValue))"
    return "\(sent), \(saved)" + (settings.format == .powersgd && firstStep > 0 ? ", from step \(firstStep) on" : "")
  }
}
