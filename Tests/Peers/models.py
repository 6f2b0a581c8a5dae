"""The work of `dalle-bench train`, `dvae` and `sample` in PyTorch on the CPU, in the fastest forms that PyTorch has for it: bf16
autocast, fused attention (dense and causal: it has no kernels for the sparse masks), fused AdamW, torch.compile.

usage: models.py train|dvae-64|dvae-256|sample-1|sample-64 [--fp32] [--no-compile] [--threads N] [--repeats N]
Prints JSON: the median throughput, and the peak resident memory.
"""
import argparse
import json
import math
import resource
import statistics
import time

import torch
from torch import nn
from torch.nn import functional as F

parser = argparse.ArgumentParser()
parser.add_argument("work", choices=["train", "dvae-64", "dvae-256", "sample-1", "sample-64"])
parser.add_argument("--fp32", action="store_true")
parser.add_argument("--no-compile", action="store_true")
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--repeats", type=int, default=5)
options = parser.parse_args()
torch.set_num_threads(options.threads)
torch.manual_seed(1)
compiled = (lambda work: work) if options.no_compile else torch.compile
autocast = lambda: torch.autocast("cpu", torch.bfloat16, enabled=not options.fp32)

# The shape `small`.
WIDTH, LAYERS, HEADS, TEXT, GRID, TEXT_VOCABULARY, IMAGE_VOCABULARY, BATCH = 512, 8, 8, 256, 32, 16_384, 8192, 2


def median(work, repeats=None):
    """Seconds; two runs before are not counted."""
    seconds = []
    for number in range(2 + (repeats or options.repeats)):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[2:])


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention_norm, self.mlp_norm = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.output = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.up, self.down = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x):
        samples, length, _ = x.shape
        heads = self.qkv(self.attention_norm(x)).view(samples, length, 3, HEADS, WIDTH // HEADS)
        q, k, v = heads.permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.output(attended.transpose(1, 2).reshape(samples, length, WIDTH))
        up = self.up(self.mlp_norm(x))
        return x + self.down(up * torch.sigmoid(1.702 * up))


class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.text, self.image = nn.Embedding(TEXT_VOCABULARY, WIDTH), nn.Embedding(IMAGE_VOCABULARY, WIDTH)
        self.starts = nn.Parameter(torch.zeros(2, WIDTH))
        self.text_position = nn.Parameter(torch.zeros(TEXT, WIDTH))
        self.row, self.column = nn.Parameter(torch.zeros(GRID, 1, WIDTH)), nn.Parameter(torch.zeros(1, GRID, WIDTH))
        self.blocks = nn.ModuleList(Block() for _ in range(LAYERS))
        self.norm = nn.LayerNorm(WIDTH)
        self.text_head = nn.Linear(WIDTH, TEXT_VOCABULARY, bias=False)
        self.image_head = nn.Linear(WIDTH, IMAGE_VOCABULARY, bias=False)

    def forward(self, text, image):
        def shifted(tokens, table, start):
            first = self.starts[start].expand(len(tokens), 1, WIDTH)
            return torch.cat([first, table(tokens[:, :-1])], 1)

        positions = (self.row + self.column).view(-1, WIDTH)
        x = torch.cat([shifted(text, self.text, 0) + self.text_position, shifted(image, self.image, 1) + positions], 1)
        for block in self.blocks:
            x = block(x)
        x = self.norm(x)
        text_loss = F.cross_entropy(self.text_head(x[:, :TEXT]).flatten(0, 1).float(), text.flatten())
        image_loss = F.cross_entropy(self.image_head(x[:, TEXT:]).flatten(0, 1).float(), image.flatten())
        return text_loss / 8 + image_loss * 7 / 8


def train():
    model = Transformer()
    loss_of = compiled(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4, fused=True)
    text = torch.randint(0, TEXT_VOCABULARY, (BATCH, TEXT))
    image = torch.randint(0, IMAGE_VOCABULARY, (BATCH, GRID * GRID))

    def step():
        optimizer.zero_grad()
        with autocast():
            loss = loss_of(text, image)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 4.0)
        optimizer.step()

    return {"throughput": BATCH * (TEXT + GRID * GRID) / median(step)}


def convolution(inputs, outputs, kernel):
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)


class Residual(nn.Module):
    def __init__(self, inputs, outputs, kernels):
        super().__init__()
        widths = [inputs] + [outputs // 4] * 3 + [outputs]
        self.path = nn.ModuleList(convolution(*shape) for shape in zip(widths, widths[1:], kernels))
        self.identity = convolution(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x):
        y = x
        for layer in self.path:
            y = layer(F.relu(y))
        return self.identity(x) + y / 64


def groups(width, widths, kernels, between):
    layers = []
    for index, outputs in enumerate(widths):
        for _ in range(2):
            layers.append(Residual(width, outputs, kernels))
            width = outputs
        if index < 3:
            layers.append(between())
    return nn.Sequential(*layers)


class DVAE(nn.Module):
    def __init__(self, hidden, first):
        super().__init__()
        widths = [hidden, 2 * hidden, 4 * hidden, 8 * hidden]
        self.encoder = nn.Sequential(
            convolution(3, hidden, 7), groups(hidden, widths, (3, 3, 3, 1), lambda: nn.MaxPool2d(2)), nn.ReLU(),
            convolution(8 * hidden, IMAGE_VOCABULARY, 1))
        self.decoder = nn.Sequential(
            convolution(IMAGE_VOCABULARY, first, 1),
            groups(first, widths[::-1], (1, 3, 3, 3), lambda: nn.Upsample(scale_factor=2)), nn.ReLU(), convolution(hidden, 6, 1))

    def forward(self, images):
        with autocast():
            logits = self.encoder(images).float()
            noise = -torch.log(-torch.log(torch.rand_like(logits).clamp(1e-9, 1 - 1e-7)))
            output = self.decoder(torch.softmax(logits + noise, 1)).float()
        mean, log_width = output[:, :3], output[:, 3:]
        reconstruction = (log_width + (torch.logit(images) - mean).abs() * torch.exp(-log_width)).mean()
        log_posterior = torch.log_softmax(logits, 1)
        kl = (log_posterior.exp() * (log_posterior + math.log(IMAGE_VOCABULARY))).sum(1).mean()
        return reconstruction + 6.6 / 192 * kl


def dvae(hidden, first, size, batch):
    model = DVAE(hidden, first).to(memory_format=torch.channels_last)
    loss_of = compiled(model)
    encode_with = compiled(model.encoder)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    images = (torch.rand(batch, 3, size, size) * 0.8 + 0.1).contiguous(memory_format=torch.channels_last)

    def step():
        optimizer.zero_grad()
        loss_of(images).backward()
        optimizer.step()

    def encode():
        with torch.no_grad(), autocast():
            return encode_with(images).argmax(1)

    return {"throughput": batch / median(step), "encoding": batch / median(encode)}


def sample(images):
    """One step after the other with a KV cache, as `dalle-bench sample`."""
    kind = torch.float32 if options.fp32 else torch.bfloat16
    model = Transformer().to(kind)
    length = TEXT + GRID * GRID
    keys = [torch.zeros(images, HEADS, length, WIDTH // HEADS, dtype=kind) for _ in range(LAYERS)]
    values = [torch.zeros_like(kept) for kept in keys]

    def advance(x, position):
        count = x.shape[1]
        for index, block in enumerate(model.blocks):
            heads = block.qkv(block.attention_norm(x)).view(images, count, 3, HEADS, WIDTH // HEADS)
            q, k, v = heads.permute(2, 0, 3, 1, 4)
            keys[index][:, :, position:position + count], values[index][:, :, position:position + count] = k, v
            seen = slice(0, position + count)
            attended = F.scaled_dot_product_attention(q, keys[index][:, :, seen], values[index][:, :, seen], is_causal=count > 1)
            x = x + block.output(attended.transpose(1, 2).reshape(images, count, WIDTH))
            up = block.up(block.mlp_norm(x))
            x = x + block.down(up * torch.sigmoid(1.702 * up))
        return model.norm(x)

    steps = 256
    with torch.inference_mode():
        x = advance(model.text(torch.randint(0, TEXT_VOCABULARY, (images, TEXT))), 0)[:, -1:]
        start = time.perf_counter()
        for step in range(steps):
            chosen = torch.multinomial(model.image_head(x[:, 0]).float().softmax(-1), 1)
            x = advance(model.image(chosen), TEXT + step)
        return {"throughput": steps / (time.perf_counter() - start)}


results = {
    "train": train,
    "dvae-64": lambda: dvae(64, 32, 128, 4),
    "dvae-256": lambda: dvae(256, 128, 256, 2),
    "sample-1": lambda: sample(1),
    "sample-64": lambda: sample(64),
}[options.work]()
results["memory"] = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps(results))
