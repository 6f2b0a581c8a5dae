"""Reads with the ecosystem's own tools what this project wrote: tokenizer files with `tokenizers`, shards with `zstandard`
and the `zstd` command, weights with `safetensors`.

usage: compare.py RUN_FOLDER TOKENS_COMMAND [CAPTIONS.jsonl TOKENIZER...]
"""
import glob
import json
import random
import struct
import subprocess
import sys

import numpy
import zstandard
from safetensors import safe_open
from tokenizers import Tokenizer

run, command = sys.argv[1:3]
failures = 0


def check(what, holds):
    global failures
    print("ok   " if holds else "FAIL ", what)
    failures += not holds


def odd_texts():
    chance = random.Random(1)
    alphabet = "abcxyzABC ÄöüßéñçÅ0123456789 .,;:!?\t\n\r'\"<>|£€½²日本語한국어кирилл العربية 👍🏽👩‍👩‍👧 é ﬁ İıſ\u0000\u200b\ufeff"
    return ["", " ", "  two  spaces ", "UPPER Case", "don't", "10kB", "İstanbul", "ǅ", "Ω", "\u0130\u0307"] + [
        "".join(chance.choice(alphabet) for _ in range(length)) for length in [1, 2, 3, 10, 100, 1000, 10_000]
    ]


def compare_tokens(path, texts, what):
    ours = json.loads(subprocess.run([command, path], input=json.dumps(texts).encode(), capture_output=True, check=True).stdout)
    theirs = [encoding.ids for encoding in Tokenizer.from_file(path).encode_batch(texts)]
    wrong = [text for text, a, b in zip(texts, ours, theirs) if a != b]
    check(f"{what}: {len(texts) - len(wrong)} of {len(texts)} texts have equal ids" + (f"; not {wrong[0][:60]!r}" if wrong else ""), not wrong)


compare_tokens(f"{run}/model/tokenizer.json", odd_texts(), "odd texts, scenes tokenizer")
if len(sys.argv) > 3:
    captions = [json.loads(line)["caption"] for line in open(sys.argv[3], encoding="utf-8")]
    for path in sys.argv[4:]:
        split = path.split("/")[-3]
        compare_tokens(path, captions + odd_texts(), f"emoji captions, tokenizer of the {split} kind")

tokenizer = Tokenizer.from_file(f"{run}/model/tokenizer.json")
for path in sorted(glob.glob(f"{run}/shards/*.tok.zst")):
    data = open(path, "rb").read()
    assert struct.unpack_from("<I", data)[0] == 0x184D2A50
    header = json.loads(data[8 : 8 + struct.unpack_from("<I", data, 4)[0]])
    stream = zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True).read()
    command_stream = subprocess.run(["zstd", "-dc", path], capture_output=True, check=True).stdout
    numbers = numpy.frombuffer(stream, "<u2")
    offset, samples, texts = 0, 0, []
    while offset < len(numbers):
        captions, offset = int(numbers[offset]), offset + 1
        for _ in range(captions):
            length = int(numbers[offset])
            texts.append(tokenizer.decode(numbers[offset + 1 : offset + 1 + length].tolist()))
            offset += 1 + length
        offset += header["grid"] ** 2
        samples += 1
    name = path.rsplit("/", 1)[1]
    check(f"{name}: zstd and zstandard read the same {len(stream)} bytes", stream == command_stream)
    check(f"{name}: {samples} samples, as the header says", samples == header["samples"] and offset == len(numbers))
    check(f"{name}: captions read like captions ({texts[0]!r})", all(" circle" in t or " square" in t or " triangle" in t
          or " diamond" in t or " cross" in t or " star" in t for t in texts))


def arrays(path):
    with safe_open(path, "np") as file:
        return {name: file.get_tensor(name) for name in file.keys()}


for stage in ["dvae", "transformer"]:
    folder = sorted(glob.glob(f"{run}/{stage}/checkpoints/step-*"))[-1]
    weights, average, moments = (arrays(f"{folder}/{name}.safetensors") for name in ["model", "ema", "optimizer"])
    exported = arrays(f"{run}/model/{stage}.safetensors")
    check(f"{stage}: {len(weights)} tensors, all finite", all(numpy.isfinite(a).all() for a in weights.values()))
    check(f"{stage}: two moments for each", {k.split("/", 1)[1] for k in moments} == set(weights) and len(moments) == 2 * len(weights))
    check(f"{stage}: the exported weights are the averaged ones", exported.keys() == average.keys()
          and all((exported[k] == average[k]).all() for k in average))

print(f"interop: {failures} failed")
sys.exit(failures > 0)
