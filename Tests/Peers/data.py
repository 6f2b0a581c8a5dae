"""Runs `dalle-bench data` and the same work with Hugging Face's `tokenizers`, Pillow and OpenCV in turn, one thread each, and
prints the ratios. Their tokenizers must give the same ids.

usage: data.py DALLE_BENCH PHOTO_FOLDER [CAPTIONS.txt]
"""
import glob
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

# Before the imports: both are read when `tokenizers` starts.
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"
import cv2
import numpy
import PIL
import tokenizers
from PIL import Image
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

ROUNDS = 3
VOCABULARY = 16_384
bench, photos = sys.argv[1:3]
given = ["--captions", sys.argv[3]] if len(sys.argv) > 3 else []
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # for the commands started from here, too
cv2.setNumThreads(1)
work = tempfile.TemporaryDirectory()
throughputs, digests = {}, {}


def note(name, count, seconds):
    throughputs.setdefault(name, []).append(count / seconds)


def timed(work):
    start = time.perf_counter()
    result = work()
    return result, time.perf_counter() - start


def ours():
    command = [bench, "data", "--json", "--photos", photos, "--vocabulary", str(VOCABULARY), "--repeats", "3", "--out", work.name, *given]
    for result in json.loads(subprocess.run(command, check=True, capture_output=True).stdout):
        throughputs.setdefault(result["name"], []).append(result["median"])
        digests[result["name"]] = result.get("digest")


def train(split, captions):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = (
        pre_tokenizers.ByteLevel(add_prefix_space=False)
        if split == "gpt2"
        else pre_tokenizers.Sequence([
            pre_tokenizers.Split(Regex("[a-z]+|[^a-z]"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ])
    )
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(captions, trainers.BpeTrainer(vocab_size=VOCABULARY, show_progress=False, initial_alphabet=alphabet))


def text(split, captions):
    _, seconds = timed(lambda: train(split, captions))
    note(f"tokenizers: train tokenizer ({split})", len(captions), seconds)
    tokenizer = Tokenizer.from_file(f"{work.name}/{split}.json")
    ids, seconds = timed(lambda: [tokenizer.encode(caption).ids for caption in captions])
    note(f"tokenizers: encode text ({split})", sum(map(len, ids)), seconds)
    return hashlib.sha256(numpy.concatenate([numpy.array(line, "<u2") for line in ids]).tobytes()).hexdigest()


def pillow(path, scaling):
    image = Image.open(path).convert("RGB")
    width, height = image.size
    side = min(width, height)
    x, y = (width - side) // 2, (height - side) // 2
    return image.resize((256, 256), scaling, box=(x, y, x + side, y + side))


def opencv(path):
    image = cv2.imread(path)
    height, width = image.shape[:2]
    side = min(width, height)
    x, y = (width - side) // 2, (height - side) // 2
    return cv2.resize(image[y : y + side, x : x + side], (256, 256), interpolation=cv2.INTER_AREA)


def images():
    paths = sorted(glob.glob(f"{photos}/*.jpg") + glob.glob(f"{photos}/*.jpeg") + glob.glob(f"{photos}/*.png"))
    methods = {
        "Pillow, Lanczos": lambda path: pillow(path, Image.LANCZOS), "Pillow, box": lambda path: pillow(path, Image.BOX),
        "OpenCV, area": opencv,
    }
    for name, method in methods.items():
        note(f"{name}: decode, crop, scale photos", len(paths), statistics.median(timed(lambda: [method(p) for p in paths])[1] for _ in range(3)))


for _ in range(ROUNDS):
    ours()
    with open(f"{work.name}/captions.txt", encoding="utf-8") as file:
        captions = file.read().split("\n")[:-1]
    for split in ["published", "gpt2"]:
        if text(split, captions) != digests[f"encode text ({split})"]:
            sys.exit(f"peers: tokenizers gives other ids with {split}.json")
    images()

print(f"{len(captions):,} captions; tokenizers {tokenizers.__version__}, Pillow {PIL.__version__}, OpenCV {cv2.__version__}; one core, medians of {ROUNDS} rounds; equal ids")
print(f"{'':<54} {'throughput':>14}   {'ours is':>8}")
for name, values in throughputs.items():
    throughput = statistics.median(values)
    part = name.split(": ")[-1]
    ratio = "" if part == name else f"{statistics.median(throughputs[part]) / throughput:7.2f} x"
    print(f"{name:<54} {throughput:14,.0f}   {ratio}")
