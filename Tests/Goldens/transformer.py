"""PyTorch twin of the transformer: writes weights, inputs, losses and every gradient of a tiny model.

usage: transformer.py OUTPUT.safetensors [modern]      (needs torch and safetensors; the tests read the committed file)
Written from the paper's definition: masks by brute force, dense attention, fp64 arithmetic.
"""
import math, sys, torch
from safetensors.torch import save_file

torch.manual_seed(0)
torch.set_default_dtype(torch.float64)
L, H, HS, T, G, VT, VI, KERNEL = 6, 2, 8, 6, 4, 37, 23, 3
D = H * HS
TEXT_SCALE, IMAGE_SCALE = 0.03, 0.017
MODERN = sys.argv[2:] == ["modern"]
SHARPNESS = 12
lengths = [6, 0, 3]
B = len(lengths)

def kind(layer):
    if layer == L - 1: return "convolutional"
    return "column" if layer >= 1 and (layer - 1) % 4 == 0 else "row"

def allows(kind, i, j):
    d = i - j
    if d < 0: return False
    if kind == "row": return d <= G
    if kind == "column": return d % G == 0
    h = (KERNEL - 1) // 2
    return d // G <= h and (d % G <= h or d % G >= G - h)

def mask(kind):
    m = torch.zeros(T + G * G, T + G * G, dtype=torch.bool)
    for q in range(T):
        m[q, : q + 1] = True
    for i in range(G * G):
        m[T + i, :T] = True
        for j in range(G * G):
            m[T + i, T + j] = allows(kind, i, j)
    return m

p = {}
def add(name, *shape, scale=0.3, base=0.0):
    # Rounded to fp32, so that both sides start from the same numbers.
    p[name] = (torch.randn(*shape) * scale + base).float().double().requires_grad_()
add("text_embedding.weight", VT, D); add("text_position.weight", T, D); add("text_padding.weight", T, D)
add("text_start", D); add("image_embedding.weight", VI, D); add("image_start", D)
add("image_row.weight", G, D); add("image_column.weight", G, D)
for l in range(L):
    a, m = f"blocks.{l}.attention", f"blocks.{l}.mlp"
    if MODERN:
        add(f"{a}.qkv.weight", 3 * D, D, scale=0.2); add(f"{a}.output.weight", D, D, scale=0.2)
        if l > 0: add(f"{a}.stream_factor", 1); add(f"{a}.value_factor", 1)
        add(f"{m}.up.weight", 4 * D, D, scale=0.2); add(f"{m}.down.weight", D, 4 * D, scale=0.1)
        continue
    add(f"{a}.norm.weight", D, base=1.0); add(f"{a}.norm.bias", D)
    add(f"{a}.qkv.weight", 3 * D, D, scale=0.2); add(f"{a}.qkv.bias", 3 * D)
    add(f"{a}.output.weight", D, D, scale=0.2); add(f"{a}.output.bias", D)
    add(f"{m}.norm.weight", D, base=1.0); add(f"{m}.norm.bias", D)
    add(f"{m}.up.weight", 4 * D, D, scale=0.2); add(f"{m}.up.bias", 4 * D)
    add(f"{m}.down.weight", D, 4 * D, scale=0.1); add(f"{m}.down.bias", D)
if not MODERN: add("final_norm.weight", D, base=1.0); add("final_norm.bias", D)
add("text_head.weight", VT, D, scale=0.2); add("image_head.weight", VI, D, scale=0.2)

text = torch.randint(0, VT, (B, T))
image = torch.randint(0, VI, (B, G * G))

def rms(x): return x / torch.sqrt((x ** 2).mean(-1, keepdim=True) + 1e-6)

def norm(x, name):
    if MODERN: return rms(x)
    mean = x.mean(-1, keepdim=True)
    variance = ((x - mean) ** 2).mean(-1, keepdim=True)
    return (x - mean) / torch.sqrt(variance + 1e-5) * p[f"{name}.weight"] + p[f"{name}.bias"]

rows = []
for b in range(B):
    inputs = [p["text_start"] + p["text_position.weight"][0]]
    for t in range(1, T):
        inputs.append(p["text_embedding.weight"][text[b, t - 1]] + p["text_position.weight"][t] if t <= lengths[b]
                      else p["text_padding.weight"][t])
    for k in range(G * G):
        token = p["image_start"] if k == 0 else p["image_embedding.weight"][image[b, k - 1]]
        inputs.append(token + p["image_row.weight"][k // G] + p["image_column.weight"][k % G])
    rows.append(torch.stack(inputs))
x = torch.stack(rows)
def bias(name): return 0 if MODERN else p[f"{name}.bias"]

first, first_values = x, None
for l in range(L):
    a, m = f"blocks.{l}.attention", f"blocks.{l}.mlp"
    if MODERN and l > 0: x = x + p[f"{a}.stream_factor"] * first
    qkv = norm(x, f"{a}.norm") @ p[f"{a}.qkv.weight"].T + bias(f"{a}.qkv")
    q, k, v = (t.view(B, -1, H, HS).transpose(1, 2) for t in qkv.split(D, -1))
    scores = (q @ k.transpose(-1, -2)) / math.sqrt(HS)
    if MODERN:
        cosines = rms(q) @ rms(k).transpose(-1, -2) / HS
        scores = SHARPNESS * cosines
        if l == 0: first_values = v
        else: v = v + p[f"{a}.value_factor"] * first_values
    weights = scores.masked_fill(~mask(kind(l)), float("-inf")).softmax(-1)
    x = x + (weights @ v).transpose(1, 2).reshape(B, -1, D) @ p[f"{a}.output.weight"].T + bias(f"{a}.output")
    up = norm(x, f"{m}.norm") @ p[f"{m}.up.weight"].T + bias(f"{m}.up")
    activated = torch.relu(up) ** 2 if MODERN else up * torch.sigmoid(1.702 * up)
    x = x + activated @ p[f"{m}.down.weight"].T + bias(f"{m}.down")
x = norm(x, "final_norm")
text_nats = sum(
    (-(x[b, t] @ p["text_head.weight"].T).log_softmax(-1)[text[b, t]] for b in range(B) for t in range(lengths[b])),
    torch.zeros(()))
image_logits = x[:, T:] @ p["image_head.weight"].T
image_nats = -image_logits.log_softmax(-1).gather(-1, image[..., None]).sum()
(TEXT_SCALE * text_nats + IMAGE_SCALE * image_nats).backward()

out = {f"weight/{n}": t.detach().float() for n, t in p.items()}
out |= {f"gradient/{n}": (t.grad if t.grad is not None else torch.zeros_like(t)).float() for n, t in p.items()}
out["text"] = text.int(); out["lengths"] = torch.tensor(lengths, dtype=torch.int32); out["image"] = image.int()
out["losses"] = torch.stack([text_nats.detach(), image_nats.detach()]).float()
out["image_logits"] = image_logits.detach().float().contiguous()
save_file(out, sys.argv[1])
print(dict(zip(("text", "image"), map(float, out["losses"]))))
