import Layers
import Models
import Optimization
import Parallel
import Preparation
import Tokenizer

extension RunConfig {
  /// Every key of the configuration. Files and options are checked against it, and `Docs/configuration.md` is written from it.
  static let sections: [ConfigSection] =
    [
      ConfigSection(
        path: "", text: "The whole run.",
        keys: [
          .integer("seed", 0...Int.max, "Decides every random number of the run."),
          .choice(
            "precision", PrecisionChoice.self,
            "Format of both models' activations and GEMMs. `auto` takes bf16 where the CPU multiplies it at least as fast as fp32."),
        ]),
      ConfigSection(
        path: "data", text: "Where captioned images come from.",
        keys: [
          .choice(
            "source", DataConfig.Kind.self, "`scenes`: rendered by the project, with captions. `dataset`: your own, at `path`."),
          .text(
            "path",
            "For `dataset`: a folder that `dalle-prep collect` made, or a source that is collected when the run begins: a folder of "
              + "images with captions, a manifest (JSONL, CSV, TSV), tar archives, plain or compressed (gzip, zstd)."),
          .integer(
            "imageSize", DVAEConfig.limits["imageSize"]!, unit: "pixels",
            "Side of the square images after cropping; a multiple of 2^(`dvae.model.groups` - 1)."),
          .integer("scenes", 1...1_000_000_000, unit: "images", "For `scenes`: training images to render."),
          .integer(
            "validation", 1...100_000_000, unit: "images",
            "Size of the validation split. `scenes`: in addition to the training images. `dataset`: at most half of all, and without "
              + "effect where `path` is a collected dataset."),
          .integer("shardSamples", 1...100_000_000, unit: "samples", "Samples per shard file."),
          .integer(
            "frameSamples", 1...100_000_000, unit: "samples",
            "Samples per independently compressed frame of a shard; at most `shardSamples`."),
        ]),
      ConfigSection(
        path: "tokenizer", text: "The byte-level BPE tokenizer of captions.",
        keys: [
          .integer("vocabulary", 256...65_536, unit: "tokens", "Most tokens that are learned, the 256 bytes included."),
          .choice(
            "split", PreTokenizer.self,
            "How captions are cut before merging. `published`: a run of a-z is a word, every other character stands alone. `gpt2`: the "
              + "rule of GPT-2, with the space before a word as part of it: about half as many tokens."),
        ]),
      ConfigSection(
        path: "dvae", text: "Training of the discrete VAE (paper sections 2.1 and A).",
        keys: [
          .integer(
            "pixelNoise", 0...128, unit: "byte levels",
            "Largest random change of a pixel value in training images. Photographs need none; images with plain areas do, where the "
              + "loss has no lower bound."),
          .number(
            "cutMixProbability", .between(0, 1),
            "Probability that a rectangle of a training image is replaced with that of another image, so that a code stands for its own "
              + "cell alone."),
        ]),
      ConfigSection(
        path: "dvae.model", text: "Shape of the discrete VAE.",
        keys: [
          .integer(
            "groups", DVAEConfig.limits["groups"]!,
            "Groups of residual blocks; an image has (`data.imageSize` / 2^(groups - 1))² tokens."),
          .integer("blocksPerGroup", DVAEConfig.limits["blocksPerGroup"]!, "Residual blocks per group."),
          .integer(
            "baseChannels", DVAEConfig.limits["baseChannels"]!,
            "Channels of the first group (n_hid in the paper), a multiple of 4; each further group doubles them."),
          .integer("codebookDim", DVAEConfig.limits["codebookDim"]!, "Channels of a codebook vector (n_init in the paper)."),
          .choice(
            "quantizer", QuantizerKind.self,
            "What makes tokens of an image. `gumbel`: a codebook, learned with the Gumbel-softmax relaxation, as published. `fsq`: a few numbers, "
              + "each rounded to one of 4 or 8 levels; every token stays in use, and temperature and KL term have no effect (Docs/model.md)."
          ),
          .integer(
            "vocabulary", DVAEConfig.limits["vocabulary"]!, unit: "tokens", "Number of image tokens; for `fsq` a power of two."),
          .flag("recompute", "Keep block inputs only and compute activations again in the backward pass: less memory, same bits."),
        ]),
      ramp("dvae.temperature", .above(0), "Temperature of the Gumbel-softmax relaxation: a cosine ramp."),
      ramp("dvae.klWeight", .any, "Weight of the KL term (beta): a cosine ramp."),
    ] + training("dvae.training", "the discrete VAE") + [
      ConfigSection(
        path: "decoder",
        text: "Fine-tuning of the dVAE's decoder with a discriminator, for sharp images; tokens stay the same (Docs/model.md).",
        keys: [
          .flag("enabled", "Do it, after the dVAE."),
          .integer(
            "startStep", steps, unit: "steps", "First step in which the discriminator has a say in what the decoder learns."),
          .number(
            "adversarialWeight", .atLeast(0),
            "How much the discriminator asks of an image, as a share of the norm of the likelihood's gradient."),
          .number(
            "featureWeight", .atLeast(0),
            "Weight of the distance of the discriminator's features of decoded and real image, beside its verdict."),
        ]),
      ConfigSection(
        path: "decoder.model", text: "Shape of the discriminator: an encoder like the dVAE's with one block per group.",
        keys: [
          .integer(
            "discriminatorChannels", DVAEConfig.limits["baseChannels"]!,
            "Channels of its first group, a multiple of 4; each further group doubles them.")
        ]),
    ] + training("decoder.training", "the decoder") + [
      ConfigSection(
        path: "transformer", text: "Training of the transformer (paper sections 2.2 and B).",
        keys: [
          .number("textLossShare", .between(0, 1), "Share of the loss that text tokens have; the rest is the image tokens'."),
          .number("bpeDropout", .between(0, 1), "Probability that BPE skips a merge when a caption is encoded for training."),
          .number(
            "dropout", .atLeastAndBelow(0, 1),
            "Probability that a value that a layer adds to the residual stream is dropped in training; for datasets that are small enough "
              + "to be learned by heart."),
          .number(
            "captionDropout", .between(0, 1),
            "Probability that a caption is replaced by padding in training; above 0 it makes classifier-free guidance possible."),
        ]),
      ConfigSection(
        path: "transformer.model", text: "Shape of the transformer. Its width is `heads` · `headSize`, a multiple of 16.",
        keys: [
          .choice(
            "architecture", TransformerArchitecture.self,
            "`published`: layer norms, biases, quick GELU. `modern`: RMS norms, normed queries and keys, squared ReLU, no biases, and "
              + "shortcuts from the first layer (Docs/model.md)."),
          .integer("layers", TransformerConfig.limits["layers"]!, "Residual attention blocks."),
          .integer("heads", TransformerConfig.limits["heads"]!, "Attention heads per layer."),
          .integer("headSize", TransformerConfig.limits["headSize"]!, "Width of an attention head."),
          .integer(
            "textLength", 0...TransformerConfig.limits["textLength"]!.upperBound, unit: "tokens",
            "Text context; longer captions are cut. 0 takes what the longest training caption needs and a quarter more, at most "
              + "\(CaptionTokens.automaticLimit)."),
          .integer(
            "convolutionKernel", TransformerConfig.limits["convolutionKernel"]!, unit: "tokens",
            "Window of the last layer's convolutional attention; odd."),
          .flag("recompute", "Keep block inputs only and compute activations again in the backward pass: less memory, same bits."),
        ]),
    ] + training("transformer.training", "the transformer") + [
      ConfigSection(
        path: "clip", text: "A network that judges images, for `dalle-eval images` (Radford et al. 2021).",
        keys: [.flag("enabled", "Train it, after the transformer, on the same images and captions.")]),
      ConfigSection(
        path: "clip.model",
        text:
          "Shape of the CLIP: a tower of transformer blocks for images and one for captions. Their width is `heads` · `headSize`, a "
          + "multiple of 16.",
        keys: [
          .integer(
            "patchSize", CLIPConfig.limits["patchSize"]!, unit: "pixels",
            "Side of an image's patches; `data.imageSize` is a multiple of it."),
          .integer("layers", CLIPConfig.limits["layers"]!, "Residual attention blocks of each tower."),
          .integer("heads", CLIPConfig.limits["heads"]!, "Attention heads per layer."),
          .integer("headSize", CLIPConfig.limits["headSize"]!, "Width of an attention head."),
          .integer(
            "textLength", CLIPConfig.limits["textLength"]!, unit: "tokens", "Most tokens of a caption; longer ones are cut."),
          .integer(
            "featureSize", CLIPConfig.limits["featureSize"]!, "Values of an image's or a caption's features, a multiple of 16."),
        ]),
    ] + training("clip.training", "the CLIP") + [
      ConfigSection(
        path: "sampling", text: "How sample images are generated during training.",
        keys: [
          .number("temperature", .atLeast(0), "Divides the logits: lower is more deterministic; 0 is greedy (argmax)."),
          .integer("topK", 0...65_536, unit: "tokens", "Sample among the k most probable tokens; 0 takes all."),
          .number(
            "topP", .aboveAndAtMost(0, 1), "Sample among the most probable tokens that together have this probability; 1 takes all."
          ),
          .number(
            "guidance", .any,
            "Classifier-free guidance: how far from the logits without caption towards, and past, those with it; 1 is none."),
        ]),
      ConfigSection(
        path: "parallel", text: "How work and memory are divided.",
        keys: [
          .integer(
            "ranksPerNode", 0...65_536, unit: "ranks",
            "Ranks that share memory; 0 takes all ranks of a machine. Smaller values split a machine into simulated nodes."),
          .integer(
            "gradientBlocks", 0...100_000, unit: "blocks",
            "Consecutive blocks of the model whose gradients a rank holds at a time: at least 3, or 0 for as many as memory allows."
          ),
          .choice(
            "shard", ShardLayout.self,
            "Where weights and the optimizer's state are kept: all by each `node`, or spread over the `world` of ranks, which takes less "
              + "memory per node (Docs/exchange.md)."),
          .choice(
            "exchange", ExchangeFormat.self,
            "What nodes send each other of gradients: all numbers in `fp32` or `bf16`, or, with `powersgd`, matrices as low-rank factors "
              + "(Docs/exchange.md)."),
          .integer(
            "localUpdates", steps, unit: "steps",
            "Steps that nodes train apart from each other before they exchange what they have learned (DiLoCo, Docs/exchange.md); 0 exchanges "
              + "gradients in every step. Not with `exchange: powersgd`."),
        ]),
      ConfigSection(
        path: "parallel.powersgd",
        text: "For `parallel.exchange: powersgd`: compression of gradients between nodes (paper sections 2.5 and E).",
        keys: [
          .number(
            "compression", .atLeastAndBelow(0, 1),
            "Share of the bytes of matrices that is saved; the rank of a matrix' factors, at least 1, follows from it for the rows that a rank owns."
          ),
          .integer(
            "rank", 0...1_000_000, "Rank of the factors of every matrix, whatever `compression` is; 0 takes that of `compression`."),
          .choice(
            "exempt", PowerSGDConfig.Exempt.self,
            "What is sent in fp32: embeddings, heads, norms and biases, as `published`, or norms and biases alone (`vectors`)."),
          .flag(
            "warmStart",
            "Begin a step with the factors of the step before, instead of the same random numbers in all steps, as published."),
          .integer(
            "startStep", steps, unit: "steps",
            "First step whose gradients are compressed; 0 for the first after `lr.warmupSteps`. Earlier ones are sent in fp32."),
        ]),
      ConfigSection(
        path: "parallel.outer",
        text: "For `parallel.localUpdates`: SGD with Nesterov momentum, which applies the mean of what nodes have learned.",
        keys: [
          .number("lr", .above(0), "Learning rate; 1 without momentum takes the mean of the nodes' weights."),
          .number("momentum", .atLeastAndBelow(0, 1), "Nesterov momentum."),
        ]),
      ConfigSection(
        path: "monitoring", text: "How a run is watched.",
        keys: [
          .integer(
            "hangAfter", 0...1_000_000, unit: "seconds",
            "Time without progress on any rank after which the ranks that the others wait for are named; 0 for never."),
          .integer(
            "abortAfter", 0...1_000_000, unit: "seconds",
            "Time without progress on any rank after which the job ends, with exit code 81; at least `hangAfter`, or 0 for never."),
        ]),
    ]

  private static let steps = 0...1_000_000_000

  private static func ramp(_ path: String, _ limits: Numbers, _ text: String) -> ConfigSection {
    ConfigSection(
      path: path, text: text,
      keys: [
        .number("from", limits, "Value at the first step."),
        .number("to", limits, "Value from step `steps` on."),
        .integer("steps", 0...1_000_000_000, unit: "steps", "Steps from `from` to `to`, along half a cosine."),
      ])
  }

  /// The keys of `TrainingConfig`, which every trained model has.
  private static func training(_ path: String, _ model: String) -> [ConfigSection] {
    [

      ConfigSection(
        path: path, text: "How \(model) is trained.",
        keys: [
          .integer("steps", 1...1_000_000_000, unit: "steps", "Updates in all."),
          .integer("batch", 1...1_048_576, unit: "samples", "Samples per step over all ranks."),
          .integer("microBatch", 1...65_536, unit: "samples", "Samples that a rank computes at a time; more are accumulated."),
          .integer("logEvery", 1...1_000_000_000, unit: "steps", "Steps between log lines on the console."),
          .integer(
            "validateEvery", steps, unit: "steps",
            "Steps between validations; there is one at the last step, too. 0 for none at all."),
          .integer(
            "patience", 0...1_000_000, unit: "validations",
            "Validations in a row without a new best loss that end the training. The model then has the weights of the best one, also where "
              + "the training comes to its last step. 0 makes all steps, and the model has the weights of the last."),
          .integer(
            "sampleEvery", steps, unit: "steps",
            "Steps between sample images; they are made at the last step, too. 0 for none at all."),
          .integer("checkpointEvery", 1...1_000_000_000, unit: "steps", "Steps between checkpoints."),
          .integer("keepLast", 1...1_000_000, unit: "checkpoints", "Newest checkpoints that are kept."),
          .integer("keepEvery", steps, unit: "steps", "Checkpoints at multiples of this are kept for ever; 0 for none."),
          .integer(
            "verifyEvery", steps, unit: "steps",
            "Steps between checks that all nodes hold the same weights; 0 checks at the start only."),
          .integer(
            "maxSkipped", 0...SkippedUpdates.window, unit: "steps",
            "Most of the newest \(SkippedUpdates.window) updates that may be skipped because loss or gradient was not finite; with more, "
              + "training ends as diverged."),
        ]),
      ConfigSection(
        path: "\(path).lr", text: "Learning rate of \(model).",
        keys: [
          .choice(
            "schedule", LearningRateConfig.Schedule.self,
            "After the warm-up: `constant` stays at `peak`; `cosine` falls to `final`; `wsd` stays at `peak` and falls linearly to `final` at the "
              + "end, so that a training which is still at `peak` can be made longer or shorter; `plateau` is halved whenever the training loss "
              + "stops falling."),
          .number("peak", .above(0), "Highest learning rate."),
          .integer(
            "searchSteps", steps, unit: "steps",
            "Before \(model) is trained, so many steps with each of five peaks from a quarter of `peak` to four times it; it is trained with the "
              + "one that ends with the lowest loss. 0 takes `peak`."),
          .number("final", .atLeast(0), "For `cosine` and `wsd`: learning rate at the end of the decay, and after it."),
          .integer(
            "decaySteps", steps, unit: "steps",
            "For `cosine`: steps after the warm-up until `final`; 0, or more than are left, for the rest of the training. For `wsd`: the last "
              + "steps, in which the rate falls; 0 for a fifth of all."),
          .integer("warmupSteps", steps, unit: "steps", "Linear warm-up from 0 to `peak`."),
          .integer(
            "plateauWindow", 1...1_000_000_000, unit: "steps",
            "For `plateau`: steps whose mean loss is compared with the best mean so far."),
          .number(
            "plateauThreshold", .atLeastAndBelow(0, 1),
            "For `plateau`: share by which a window's mean must be below the best to count as progress."),
          .integer("plateauHalvings", 0...1000, "For `plateau`: most halvings."),
        ]),
      ConfigSection(
        path: "\(path).adamw", text: "The optimizer of \(model), AdamW.",
        keys: [
          .number("beta1", .atLeastAndBelow(0, 1), "Decay of the first moment."),
          .number("beta2", .atLeastAndBelow(0, 1), "Decay of the second moment."),
          .number("epsilon", .above(0), "Added to the root of the second moment."),
          .number("weightDecay", .atLeast(0), "Decoupled weight decay of matrices; biases, norms, embeddings and heads have none."),
          .number("clipNorm", .atLeast(0), "Largest global norm of the gradient; 0 does not clip."),
          .number("varianceClip", .atLeast(0), "Ceiling of the second moment before bias correction; 0 has none."),
          .choice(
            "moments", MomentFormat.self,
            "What the moments are kept in. `bf16` and `published` (1-6-9 and 0-6-10 of the paper's appendix B.2) take half the memory."
          ),
        ]),
      ConfigSection(
        path: "\(path).ema",
        text: "Exponential moving average (EMA) of the weights of \(model), which validation, samples and export use.",
        keys: [
          .integer(
            "every", 0...1_000_000_000, unit: "steps",
            "Updates between two updates of the EMA; 0 for none: validation, samples and export use the weights, and 4 bytes per parameter are "
              + "saved, 6 in bf16."),
          .number("decay", .between(0, 1), "EMA = decay · EMA + (1 - decay) · weights."),
          .choice(
            "format", EMAFormat.self,
            "What the EMA is kept in. In bf16 it takes 2 bytes per parameter instead of 6, with `precision: bf16`; in fp32 it saves nothing."
          ),
        ]),
    ]
  }

  /// The declaration of a key by its path.
  static let keys: [String: ConfigKey] = Dictionary(
    uniqueKeysWithValues: sections.flatMap { section in section.keys.map { (section.path(of: $0), $0) } })

  /// Keys of older configurations, and what they are called now.
  static let renamedKeys: [String: String] = {
    var names = [
      "dvae.noise": "dvae.pixelNoise", "dvae.mixing": "dvae.cutMixProbability", "dvae.model.hidden": "dvae.model.baseChannels",
      "dvae.model.codebookInit": "dvae.model.codebookDim", "parallel.nodeSize": "parallel.ranksPerNode",
    ]
    for training in ["dvae.training", "transformer.training"] {
      for (before, now) in [
        "rate": "lr", "rate.course": "lr.schedule", "rate.peak": "lr.peak", "rate.final": "lr.final",
        "rate.warmup": "lr.warmupSteps",
        "rate.plateauWindow": "lr.plateauWindow", "rate.plateauThreshold": "lr.plateauThreshold",
        "rate.halvings": "lr.plateauHalvings", "averageEvery": "ema.every", "averageDecay": "ema.decay",
      ] { names["\(training).\(before)"] = "\(training).\(now)" }
    }
    return names
  }()
}
