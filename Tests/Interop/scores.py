"""Compares the scores of dalle-eval images with SciPy's matrix square root, with sums written out, and with scikit-image.

usage: scores.py INTEROP_SCORES FOLDER      (needs numpy, scipy, scikit-image, safetensors; FOLDER takes the files)
"""
import json, subprocess, sys
import numpy as np
from safetensors.numpy import save_file
from scipy.linalg import sqrtm
from skimage.io import imsave
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

program, folder = sys.argv[1:]
failed = 0

def check(what, got, expected, tolerance):
    global failed
    good = abs(got - expected) <= tolerance * max(1e-3, abs(expected))
    failed += not good
    print(f"{'ok   ' if good else 'FAIL '} {what}: {got:.9g}, independent {expected:.9g}")

def unit(x): return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)

def frechet(a, b):
    a, b = a.astype(np.float64), b.astype(np.float64)
    c1, c2 = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    return float(((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(c1 + c2 - 2 * sqrtm(c1 @ c2).real))

def kernel(a, b):
    a, b = a.astype(np.float64), b.astype(np.float64)
    k = lambda x, y: (float(x @ y) + 1) ** 3
    pairs = [(i, j) for i in range(len(a)) for j in range(len(a)) if i != j]
    return sum(k(a[i], a[j]) + k(b[i], b[j]) - k(a[i], b[j]) - k(a[j], b[i]) for i, j in pairs) / len(pairs)

random = np.random.default_rng(0)
for name, count, size, shift in [("of one distribution", 80, 16, 0.0), ("shifted", 80, 16, 1.0), ("fewer images than values", 30, 48, 0.5)]:
    mix = random.normal(size=(size, size))
    a = unit(random.normal(size=(count, size)) @ mix)
    b = unit(random.normal(size=(count, size)) @ mix * random.uniform(0.5, 2, size=size) + shift)
    save_file({"a": a, "b": b}, f"{folder}/features.safetensors")
    images = []
    for number, (height, width) in enumerate([(48, 48), (11, 30), (64, 33)]):
        x = random.integers(0, 256, (height, width, 3)).astype(np.uint8)
        x[: height // 2] = (np.linspace(0, 255, width)[None, :, None] + np.zeros((height // 2, 1, 3))).astype(np.uint8)
        y = np.clip(x + random.normal(size=x.shape) * (10, 40, 80)[number], 0, 255).astype(np.uint8)
        for part, image in (("x", x), ("y", y)): imsave(f"{folder}/{part}{number}.png", image, check_contrast=False)
        images.append((x, y))
    files = [f"{folder}/{part}{number}.png" for number in range(len(images)) for part in "xy"]
    got = json.loads(subprocess.run([program, f"{folder}/features.safetensors", *files], check=True, capture_output=True).stdout)
    # Covariances of few images are singular: SciPy's root is exact to about the root of the precision there.
    check(f"Fréchet distance {name}", got["frechet"][0], frechet(a, b), 1e-3 if count < size else 1e-6)
    check(f"kernel distance {name}", got["kernel"][0], kernel(a, b), 1e-4)
    for number, (x, y) in enumerate(images):
        expected = structural_similarity(
            x, y, channel_axis=2, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255)
        check(f"SSIM of image {number}", got["ssim"][number], expected, 1e-6)
        check(f"PSNR of image {number}", got["psnr"][number], peak_signal_noise_ratio(x, y, data_range=255), 1e-9)
print(f"scores: {failed} failed")
sys.exit(failed > 0)
