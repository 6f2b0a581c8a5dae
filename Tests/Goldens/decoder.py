"""Golden values for the decoder's fine-tuning: a PyTorch twin in float64, one step of a tiny decoder and discriminator.

usage: python3 Tests/Goldens/decoder.py     writes decoder.safetensors beside itself
needs: torch, numpy, safetensors
"""
import json, os
import numpy as np, torch, torch.nn.functional as F
from safetensors.numpy import save_file
from dvae import Conv, DVAE, Half, negative_log_likelihood, phi

torch.manual_seed(7)
torch.set_default_dtype(torch.float64)
config = dict(
    imageSize=16, groups=3, blocksPerGroup=1, baseChannels=8, codebookDim=6, vocabulary=32, recompute=False, quantizer="gumbel")
samples, channels, adversarial_weight, feature_weight = 3, 8, 0.7, 3.0
size, patches = config["imageSize"], (config["imageSize"] >> 2) ** 2

dvae = DVAE(**config)
tuned = DVAE(**config)  # its decoder is trained; other weights than the dVAE's, so that a mistake shows
widths = [channels << g for g in range(config["groups"])]
discriminator = Half(Conv(3, channels, 7), widths, 1, 1, (3, 3, 3, 1), 1 / config["groups"] ** 2, lambda x: F.max_pool2d(x, 2))
for module in [dvae, tuned, discriminator]:
    for parameter in module.parameters():  # what the file holds is what the twin computes with
        parameter.data = parameter.data.float().double()
# Some patches within the margins of the hinge and some without.
discriminator.blocks["output"]["conv"].w.data *= 12
discriminator.blocks["output"]["conv"].b.data += 4.9


def judge(images):
    """The map of patches and the streams after each group."""
    x, features = discriminator.blocks["input"](images), []
    for g in range(config["groups"]):
        x = discriminator.resample(x) if g > 0 else x
        for block in discriminator.blocks[f"group_{g + 1}"].values():
            x = block(x)
        features.append(x)
    return discriminator.blocks["output"]["conv"](F.relu(x)), features


def decode(entry):
    x = entry
    for g in range(config["groups"]):
        x = tuned.decoder.resample(x) if g > 0 else x
        for block in tuned.decoder.blocks[f"group_{g + 1}"].values():
            x = block(x)
    return tuned.decoder.blocks["output"]["conv"](F.relu(x))


pixels = torch.randint(0, 256, (samples, size, size, 3))
real = phi(pixels.double()).permute(0, 3, 1, 2)
with torch.no_grad():
    codes = dvae.encoder(real).argmax(1)
    entry = dvae.decoder.blocks["input"](F.one_hot(codes, config["vocabulary"]).permute(0, 3, 1, 2).double())

scale = 1 / samples
output = decode(entry)
reconstruction = negative_log_likelihood(output, real)
fake = torch.sigmoid(output[:, :3])

on_fake, on_real = judge(fake.detach())[0], judge(real)[0]
hinge = 0.5 * (F.relu(1 + on_fake).sum() + F.relu(1 - on_real).sum()) / patches
(hinge * scale).backward()
gradients = {f"discriminator.{name}": p.grad.clone() for name, p in discriminator.named_parameters()}
# Patches within the margins.
inside = [int((on_fake > -1).sum()), int((on_real < 1).sum())]

verdict, streams = judge(fake)
adversarial = -verdict.sum() / patches
distance = sum((f - r.detach()).abs().sum() / f[0].numel() for f, r in zip(streams, judge(real)[1])) / len(streams)
d_likelihood, = torch.autograd.grad(reconstruction * scale / (size * size * 3), output, retain_graph=True)
d_verdict, = torch.autograd.grad((adversarial + feature_weight * distance) * scale, output, retain_graph=True)
assert d_verdict[:, 3:].abs().max() == 0
d_output = d_likelihood.clone()
for n in range(samples):
    share = adversarial_weight * d_likelihood[n, :3].norm() / d_verdict[n, :3].norm()
    d_output[n, :3] += share * d_verdict[n, :3]
output.backward(d_output)
for name, p in tuned.decoder.named_parameters():
    if not name.startswith("blocks.input"):
        gradients[f"decoder.{name}"] = p.grad
decoded = (((fake - 0.1) / 0.8).clamp(0, 1) * 255).round().permute(0, 2, 3, 1)

arrays = {"pixels": pixels.numpy().astype(np.uint8), "decoded": decoded.detach().numpy().astype(np.uint8)}
weights = {f"discriminator.{n}": p for n, p in discriminator.named_parameters()}
weights |= {f"decoder.{n}": p for n, p in tuned.decoder.named_parameters() if not n.startswith("blocks.input")}
arrays |= {f"weight/{n}": p.detach().numpy().astype(np.float32) for n, p in weights.items()}
arrays |= {f"gradient/{n}": g.numpy().astype(np.float32) for n, g in gradients.items()}
arrays |= {f"frozen/{n}": p.detach().numpy().astype(np.float32) for n, p in dvae.named_parameters()}
facts = dict(
    samples=samples, discriminatorChannels=channels, adversarialWeight=adversarial_weight, featureWeight=feature_weight,
    reconstruction=reconstruction.item(), discriminator=hinge.item(), adversarial=adversarial.item(), features=distance.item())
path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "decoder.safetensors")
arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
save_file(arrays, path, {"config": json.dumps(config), "facts": json.dumps(facts)})
assert 0 < inside[0] < samples * patches and 0 < inside[1] < samples * patches
print(path, os.path.getsize(path), facts, f"patches that count: {inside} of {samples * patches}")
