import ArgumentParser
import Generation

/// The sampling settings that a command uses unless its user gives others.
package protocol SamplingDefaults {
  static var sampling: SamplingConfig { get }
}

/// How image tokens are sampled, for every command that generates images.
package struct SamplingOptions<Defaults: SamplingDefaults>: ParsableArguments {
  @Option(parsing: .unconditional, help: "Sampling temperature: lower is more deterministic; 0 is greedy (argmax).")
  package var temperature = Defaults.sampling.temperature

  @Option(parsing: .unconditional, help: "Sample among the k most likely tokens; 0 samples among all.")
  package var topK = Defaults.sampling.topK

  @Option(
    parsing: .unconditional, help: "Sample among the most likely tokens that have this probability together; 1 samples among all.")
  package var topP = Defaults.sampling.topP

  @Option(
    parsing: .unconditional,
    help: """
      Classifier-free guidance: above 1 follows the prompt more closely, if the model was trained with captionDropout; give 1 \
      (none) if it was not.
      """)
  package var guidance = Defaults.sampling.guidance

  package init() {}

  package func validate() throws {
    func check(_ holds: Bool, _ text: String) throws {
      if !holds { throw ValidationError(text) }
    }
    try check(temperature >= 0 && temperature.isFinite, "--temperature is \(temperature); it must be at least 0")
    try check(topK >= 0, "--top-k is \(topK); it must be at least 0")
    try check(topP > 0 && topP <= 1, "--top-p is \(topP); it must lie above 0 and not above 1")
    try check(guidance >= 0 && guidance.isFinite, "--guidance is \(guidance); it must be at least 0")
  }

  package var config: SamplingConfig {
    var config = SamplingConfig()
    (config.temperature, config.topK, config.topP, config.guidance) = (temperature, topK, topP, guidance)
    return config
  }
}
