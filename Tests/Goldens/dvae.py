"""Golden values for the dVAE: a PyTorch twin in float64, one training step and one evaluation of a tiny model each.

usage: python3 Tests/Goldens/dvae.py     writes dvae-groups3, dvae-groups4 and dvae-fsq.safetensors beside itself
needs: torch, numpy, safetensors
"""
import json, math, os
import numpy as np, torch, torch.nn as nn, torch.nn.functional as F
from safetensors.numpy import save_file


class Conv(nn.Module):
    def __init__(self, inputs, outputs, kernel):
        super().__init__()
        deviation = 1 / math.sqrt(inputs * kernel * kernel)
        self.w = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel) * deviation)
        # Not zero as in training, so that a forgotten bias shows; above zero, so that no rectifier is dead.
        self.b = nn.Parameter(torch.rand(outputs) * 0.5 + 0.1)

    def forward(self, x):
        return F.conv2d(x, self.w, self.b, padding=self.w.shape[-1] // 2)


class Block(nn.Module):
    def __init__(self, inputs, outputs, kernels, gain):
        super().__init__()
        self.gain = gain
        widths = [inputs] + 3 * [outputs // 4] + [outputs]
        self.res_path = nn.ModuleDict({f"conv_{i + 1}": Conv(widths[i], widths[i + 1], kernels[i]) for i in range(4)})
        self.id_path = Conv(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x):
        y = x
        for conv in self.res_path.values():
            y = conv(F.relu(y))
        return self.id_path(x) + self.gain * y


class Half(nn.Module):
    """Encoder or decoder: input convolution, groups with a resampling between them, rectified output convolution."""

    def __init__(self, first, widths, last, blocks, kernels, gain, resample):
        super().__init__()
        self.resample = resample
        self.blocks = nn.ModuleDict({"input": first})
        width = first.w.shape[0]
        for g, outputs in enumerate(widths):
            group = nn.ModuleDict()
            for b in range(blocks):
                group[f"block_{b + 1}"] = Block(width, outputs, kernels, gain)
                width = outputs
            self.blocks[f"group_{g + 1}"] = group
        self.blocks["output"] = nn.ModuleDict({"conv": Conv(width, last, 1)})

    def forward(self, x):
        x = self.blocks["input"](x)
        groups = [m for name, m in self.blocks.items() if name.startswith("group")]
        for g, group in enumerate(groups):
            if g > 0:
                x = self.resample(x)
            for block in group.values():
                x = block(x)
        return self.blocks["output"]["conv"](F.relu(x))


def levels(vocabulary):
    """Levels of finite scalar quantization: fours, then eights."""
    bits = vocabulary.bit_length() - 1
    fours = -bits % 3
    return [4] * fours + [8] * ((bits - 2 * fours) // 3)


def quantize(z, levels):
    """Rounds tanh of z [N, D, h, w] to the middles of intervals; the gradient is that of tanh. Returns values, codes, tanh."""
    bounded = torch.tanh(z)
    counts = torch.tensor(levels).view(1, -1, 1, 1)
    digits = torch.minimum(torch.floor((bounded.detach() + 1) / 2 * counts), counts - 1).long()
    middles = (2 * digits + 1) / counts - 1
    places = torch.tensor([math.prod(levels[:i]) for i in range(len(levels))]).view(1, -1, 1, 1)
    return bounded + (middles - bounded).detach(), (digits * places).sum(1), bounded


class DVAE(nn.Module):
    def __init__(self, groups, blocksPerGroup, baseChannels, codebookDim, vocabulary, quantizer, **_):
        super().__init__()
        vocabulary = len(levels(vocabulary)) if quantizer == "fsq" else vocabulary
        widths = [baseChannels << g for g in range(groups)]
        gain = 1 / (groups * blocksPerGroup) ** 2
        self.encoder = Half(Conv(3, baseChannels, 7), widths, vocabulary, blocksPerGroup, (3, 3, 3, 1), gain,
                            lambda x: F.max_pool2d(x, 2))
        self.decoder = Half(Conv(vocabulary, codebookDim, 1), widths[::-1], 6, blocksPerGroup, (1, 3, 3, 3), gain,
                            lambda x: F.interpolate(x, scale_factor=2, mode="nearest"))


def phi(pixels):
    return 0.8 / 255 * pixels + 0.1


def negative_log_likelihood(output, x):
    mu, log_b = output.chunk(2, 1)
    return (math.log(2) + log_b + torch.log(x * (1 - x)) + (torch.logit(x) - mu).abs() / log_b.exp()).sum()


def write(file, config, samples, seed):
    torch.manual_seed(seed)
    torch.set_default_dtype(torch.float64)
    model = DVAE(**config)
    for parameter in model.parameters():  # what the file holds is what the twin computes with
        parameter.data = parameter.data.float().double()
    size, vocabulary = config["imageSize"], config["vocabulary"]
    grid = size >> (config["groups"] - 1)
    pixels = torch.randint(0, 256, (samples, size, size, 3))
    noise = -torch.log(-torch.log(torch.rand(samples, grid, grid, vocabulary))).float().double()
    temperature, kl_weight = 0.7, 2.5

    x = phi(pixels.double()).permute(0, 3, 1, 2)
    logits = model.encoder(x)
    if config["quantizer"] == "fsq":
        counts = levels(vocabulary)
        values, codes, bounded = quantize(logits, counts)
        reconstruction = negative_log_likelihood(model.decoder(values), x)
        kl = torch.zeros(())
        # Rounding in fp32 must not change a code.
        place = (bounded + 1) / 2 * torch.tensor(counts).view(1, -1, 1, 1)
        assert (place - place.round()).abs().min() > 1e-4
    else:
        relaxed = torch.softmax((logits + noise.permute(0, 3, 1, 2)) / temperature, 1)
        reconstruction = negative_log_likelihood(model.decoder(relaxed), x)
        log_q = torch.log_softmax(logits, 1)
        kl = (log_q.exp() * (log_q + math.log(vocabulary))).sum()
        codes = logits.argmax(1)
    ((reconstruction + kl_weight * kl) / (size * size * 3) / samples).backward()

    with torch.no_grad():
        hard = values if config["quantizer"] == "fsq" else F.one_hot(codes, vocabulary).permute(0, 3, 1, 2).double()
        output = model.decoder(hard)
        decoded = (((torch.sigmoid(output[:, :3]) - 0.1) / 0.8).clamp(0, 1) * 255).round().permute(0, 2, 3, 1)

    arrays = {
        "pixels": pixels.numpy().astype(np.uint8), "noise": noise.numpy().astype(np.float32),
        "codes": codes.numpy().astype(np.uint16), "decoded": decoded.numpy().astype(np.uint8),
    }
    for name, parameter in model.named_parameters():
        arrays[name] = parameter.detach().numpy().astype(np.float32)
        arrays["gradient." + name] = parameter.grad.numpy().astype(np.float32)
    facts = dict(
        samples=samples, temperature=temperature, klWeight=kl_weight, reconstruction=reconstruction.item(), kl=kl.item(),
        hardReconstruction=negative_log_likelihood(output, x).item(),
        squaredError=((decoded - pixels) ** 2).sum().item())
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), f"{file}.safetensors")
    arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    save_file(arrays, path, {"config": json.dumps(config), "facts": json.dumps(facts)})
    print(path, os.path.getsize(path), facts)


if __name__ == "__main__":
    base = dict(recompute=False, quantizer="gumbel")
    write("dvae-groups3", dict(base, imageSize=16, groups=3, blocksPerGroup=2, baseChannels=8, codebookDim=6, vocabulary=32), 2, 1)
    # Every group a single block, a codebook as wide as the first group (no identity convolution), hidden layers of 1 channel,
    # a vocabulary that is no multiple of 16.
    write("dvae-groups4", dict(base, imageSize=16, groups=4, blocksPerGroup=1, baseChannels=4, codebookDim=32, vocabulary=37), 3, 3)
    # Two values, of 4 and of 8 levels.
    fsq = dict(base, quantizer="fsq", imageSize=16, groups=3, blocksPerGroup=1, baseChannels=8, codebookDim=6, vocabulary=32)
    write("dvae-fsq", fsq, 2, 5)
