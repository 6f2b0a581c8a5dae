import Parallel

extension ExchangeCost {
  /// "12.3 MB sent per node and step, gradients 60.7 % less than in fp32 (powersgd), from step 100 on".
  ///
  /// - Parameter firstStep: whose gradients are compressed.
  func text(_ settings: ExchangeSettings, firstStep: Int) -> String {
    let kept = spread > 1 ? ", state spread over \(spread) nodes" : ""
    let sent = "\(Plan.scaled(sent)) sent per node and step\(kept)"
    if settings.format == .fp32 { return "\(sent), gradients in fp32" }
    let saved = "gradients \(Plan.percent(compression)) less than in fp32 (\(settings.format.rawValue))"
    return "\(sent), \(saved)" + (settings.format == .powersgd && firstStep > 0 ? ", from step \(firstStep) on" : "")
  }
}
