"""PyTorch twin of the CLIP: writes weights, inputs, features, the loss and every gradient of a tiny model.

usage: clip.py OUTPUT.safetensors      (needs torch and safetensors; the tests read the committed file)
Written from the definition: each sample by itself, captions without padding, fp64 arithmetic.
"""
import math, sys, torch
from safetensors.torch import save_file

torch.manual_seed(0)
torch.set_default_dtype(torch.float64)
SIZE, SIDE, L, H, HS, T, V, F = 12, 4, 2, 2, 8, 12, 19, 16
D, GRID = H * HS, SIZE // SIDE
SCALE = 0.25
captions = [[3, 7, 18], [], [3, 7, 18], [5, 0, 11, 2, 9]]
B = len(captions)

p = {}
def add(name, *shape, scale=0.3, base=0.0):
    # Rounded to fp32, so that both sides start from the same numbers.
    p[name] = (torch.randn(*shape) * scale + base).float().double().requires_grad_()
add("image.patch.weight", D, 3 * SIDE * SIDE, scale=0.15); add("image.patch.bias", D)
add("image.position.weight", GRID * GRID, D)
add("text.token.weight", V, D); add("text.start", D); add("text.position.weight", 1 + T, D)
for tower in ("image", "text"):
    for l in range(L):
        a, m = f"{tower}.blocks.{l}.attention", f"{tower}.blocks.{l}.mlp"
        add(f"{a}.norm.weight", D, base=1.0); add(f"{a}.norm.bias", D)
        add(f"{a}.qkv.weight", 3 * D, D, scale=0.2); add(f"{a}.qkv.bias", 3 * D)
        add(f"{a}.output.weight", D, D, scale=0.2); add(f"{a}.output.bias", D)
        add(f"{m}.norm.weight", D, base=1.0); add(f"{m}.norm.bias", D)
        add(f"{m}.up.weight", 4 * D, D, scale=0.2); add(f"{m}.up.bias", 4 * D)
        add(f"{m}.down.weight", D, 4 * D, scale=0.1); add(f"{m}.down.bias", D)
    add(f"{tower}.norm.weight", D, base=1.0); add(f"{tower}.norm.bias", D)
    add(f"{tower}.projection.weight", F, D, scale=0.3)
add("similarity.scale", 1, base=1.0); add("similarity.bias", 1, base=-1.0)

def norm(x, name):
    mean = x.mean(-1, keepdim=True)
    variance = ((x - mean) ** 2).mean(-1, keepdim=True)
    return (x - mean) / torch.sqrt(variance + 1e-5) * p[f"{name}.weight"] + p[f"{name}.bias"]

def blocks(tower, x, causal):
    n = len(x)
    for l in range(L):
        a, m = f"{tower}.blocks.{l}.attention", f"{tower}.blocks.{l}.mlp"
        qkv = norm(x, f"{a}.norm") @ p[f"{a}.qkv.weight"].T + p[f"{a}.qkv.bias"]
        q, k, v = (t.view(n, H, HS).transpose(0, 1) for t in qkv.split(D, -1))
        scores = (q @ k.transpose(-1, -2)) / math.sqrt(HS)
        if causal: scores = scores.masked_fill(torch.ones(n, n).triu(1).bool(), float("-inf"))
        x = x + (scores.softmax(-1) @ v).transpose(0, 1).reshape(n, D) @ p[f"{a}.output.weight"].T + p[f"{a}.output.bias"]
        up = norm(x, f"{m}.norm") @ p[f"{m}.up.weight"].T + p[f"{m}.up.bias"]
        x = x + (up * torch.sigmoid(1.702 * up)) @ p[f"{m}.down.weight"].T + p[f"{m}.down.bias"]
    return norm(x, f"{tower}.norm")

def unit(x):
    # The norm of a vector of F values, with the 1e-6 that is added to their mean square.
    return x / torch.sqrt((x ** 2).mean() + 1e-6) / math.sqrt(F)

pixels = torch.randint(0, 256, (B, SIZE, SIZE, 3))
images, texts = [], []
for b in range(B):
    values = pixels[b].double() * 2 / 255 - 1
    patches = [values[y : y + SIDE, x : x + SIDE].reshape(-1) for y in range(0, SIZE, SIDE) for x in range(0, SIZE, SIDE)]
    x = torch.stack(patches) @ p["image.patch.weight"].T + p["image.patch.bias"] + p["image.position.weight"]
    images.append(unit(blocks("image", x, False).mean(0) @ p["image.projection.weight"].T))
    x = torch.stack([p["text.start"]] + [p["text.token.weight"][t] for t in captions[b]])
    x = x + p["text.position.weight"][: len(x)]
    texts.append(unit(blocks("text", x, True)[-1] @ p["text.projection.weight"].T))
images, texts = torch.stack(images), torch.stack(texts)
cosines = images @ texts.T
match = torch.tensor([[captions[i] == captions[j] for j in range(B)] for i in range(B)])
logits = torch.exp(p["similarity.scale"]) * cosines + p["similarity.bias"]
loss = torch.nn.functional.softplus(torch.where(match, -logits, logits)).sum()
(SCALE * loss).backward()
firsts = sum(int(cosines[i][match[i]].max() >= cosines[i].max()) for i in range(B))

out = {f"weight/{n}": t.detach().float() for n, t in p.items()}
out |= {f"gradient/{n}": (t.grad if t.grad is not None else torch.zeros_like(t)).float() for n, t in p.items()}
out["pixels"] = pixels.int().flatten()
out["text"] = torch.tensor([c + [0] * (T - len(c)) for c in captions], dtype=torch.int32)
out["lengths"] = torch.tensor([len(c) for c in captions], dtype=torch.int32)
out["loss"] = loss.detach().float().reshape(1)
out["firsts"] = torch.tensor([firsts], dtype=torch.int32)
out["image_features"] = images.detach().float().contiguous()
out["text_features"] = texts.detach().float().contiguous()
save_file(out, sys.argv[1])
print(float(loss.detach()), firsts)
