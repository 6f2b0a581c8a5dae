"""Reads a run's events with TensorBoard's own readers, both of them, and compares them with the run's log, its images and its
configuration. The run was killed and resumed in each training.

usage: read.py RUN_FOLDER
"""
import glob
import io
import json
import math
import os
import re
import subprocess
import sys
import time
import urllib.parse
import urllib.request

from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

run = sys.argv[1]
events = f"{run}/events"
failures = 0


def check(what, holds):
    global failures
    print("ok   " if holds else "FAIL ", what)
    failures += not holds


def logged(stage):
    """Lines of training steps, and values of validations, by step; not those that a later job began before."""
    steps, validations = {}, {}
    for path in glob.glob(f"{run}/logs/*.jsonl"):
        if re.search(r"rank-\d*[1-9]", path):
            continue  # the coordinator's seconds are in the events
        with open(path) as lines:
            for line in map(json.loads, filter(str.strip, lines)):
                if line.get("stage", os.path.basename(path).split(".")[0]) != stage:
                    continue
                if line.get("event") in ["begin", "trainingBegun"]:
                    steps = {step: value for step, value in steps.items() if step <= line["step"]}
                    validations = {step: value for step, value in validations.items() if step <= line["step"]}
                elif "gradientNorm" in line:
                    steps[line["step"]] = line
                elif line.get("event") == "validation":
                    validations[line["step"]] = line["values"]
    return steps, validations


def same(found, expected, tag):
    """Whether both have the same steps and values, as far as the log has digits: six, four of what is measured in seconds."""
    digits = 4 if tag.startswith("speed/") else 6
    return [step for step, _ in found] == sorted(expected) and all(
        math.isclose(value, expected[step], rel_tol=0.6 * 10 ** (1 - digits)) for step, value in found)


def read(folder):
    accumulator = EventAccumulator(folder, size_guidance=dict.fromkeys(["scalars", "images", "histograms", "tensors"], 0))
    return accumulator.Reload()


def check_files(name):
    """The file format: every file begins with its version and the first step of its job, and has no step twice."""
    seen = 0
    for path in sorted(glob.glob(f"{events}/{name}/events.*")):
        version, start, *rest = EventFileLoader(path).Load()
        check(f"{path[len(events) + 1:]}: has version and start", version.file_version == "brain.Event:2" and start.session_log.status == 1)
        last = {}
        for event in rest:
            for value in event.summary.value:
                if event.step < start.step or event.step <= last.get(value.tag, -1):
                    check(f"{value.tag} is written once for step {event.step}, from {start.step}", False)
                last[value.tag] = event.step
                seen += value.tag == "loss/total"
    return seen


def check_scalars(board, tag, expected):
    found = [(event.step, event.value) for event in board.Scalars(tag)]
    check(f"{tag}: {len(found)} values are those of the log", len(found) > 0 and same(found, expected, tag))


def check_stage(stage, lossParts, validationTags):
    steps, validations = logged(stage)
    written = check_files(stage)
    check(f"{stage}: {written} steps were written, so some of {len(steps)} are void", written > len(steps))
    check(f"{stage}: every step is logged", list(sorted(steps)) == list(range(1, len(steps) + 1)))
    board = read(f"{events}/{stage}")
    check_scalars(board, "loss/total", {step: line["loss"] for step, line in steps.items()})
    for part in lossParts:
        check_scalars(board, f"loss/{part}", {step: line["losses"][part] for step, line in steps.items()})
    for tag, key in [("training/gradientNorm", "gradientNorm"), ("training/lr", "lr"), ("speed/secondsPerStep", "seconds")]:
        check_scalars(board, tag, {step: line[key] for step, line in steps.items()})
    rate = {"dvae": "imagesPerSecond", "transformer": "tokensPerSecond"}[stage]
    check_scalars(board, f"speed/{rate}", {step: line.get("throughput", line.get(rate)) for step, line in steps.items()})
    validation = read(f"{events}/{stage}/validation")
    check_files(f"{stage}/validation")
    for tag, key in validationTags:
        check_scalars(validation, tag, {step: values[key] for step, values in validations.items()})

    images = board.Images("samples")
    expected = sorted(int(re.search(r"-(\d+)\.png", path).group(1)) for path in glob.glob(f"{run}/samples/{stage}-*.png"))
    # Sheets of steps that are void are overwritten, unless the training is shorter now.
    expected = [step for step in expected if step <= len(steps)]
    check(f"{stage}: {len(images)} sheets are those of the run", [image.step for image in images] == expected)
    for event in images[-1:]:
        with open(f"{run}/samples/{stage}-{event.step:08}.png", "rb") as file:
            check(f"{stage}: a sheet has its file's bytes", file.read() == event.encoded_image_string)
        image = Image.open(io.BytesIO(event.encoded_image_string))
        image.load()
        check(f"{stage}: and can be decoded: {image.size}", image.size == (event.width, event.height))

    return board, validation, validations


def check_configuration(board):
    """The last job's; it trained the last stage."""
    text = board.Tensors("configuration")[-1].tensor_proto.string_val[0].decode()
    with open(f"{run}/config.yaml") as file:
        check("the text is the configuration", text == f"```yaml\n{file.read()}\n```")


def check_codes(board, validations):
    """Codes of a validation: their number, and a number that the log has and that depends on all of them."""
    found = board.Histograms("codes, most used first")
    check(f"codes: {len(found)} histograms, one for each validation", [event.step for event in found] == sorted(validations))
    with open(f"{run}/model/dvae.json") as file:
        shape = json.load(file)
    positions = 20 * (shape["imageSize"] >> (shape["groups"] - 1)) ** 2
    for event in found:
        histogram = event.histogram_value
        counts = list(histogram.bucket)
        if not positions == histogram.num == sum(counts) or len(counts) != shape["vocabulary"] or sorted(counts, reverse=True) != counts:
            check(f"codes of step {event.step}: {positions} in all, most used first", False)
        shares = [count / positions for count in counts if count]
        if not math.isclose(math.exp(-sum(p * math.log(p) for p in shares)), validations[event.step]["perplexity"], rel_tol=1e-5):
            check(f"codes of step {event.step}: have the log's perplexity", False)


def check_server(*arguments):
    """What the browser gets, from a server that reads the files its own way."""
    command = [os.path.join(os.path.dirname(sys.executable), "tensorboard"), "--logdir", events, "--port", "0", "--host", "127.0.0.1"]
    command += ["--samples_per_plugin", "scalars=100000", *arguments]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    try:
        address = next((m.group(0) for m in (re.search(r"http://\S+:\d+/", line) for line in server.stderr) if m), None)
        if address is None:
            return check(f"tensorboard {' '.join(arguments)} starts", False)

        def get(path, **query):
            with urllib.request.urlopen(f"{address}data/{path}?{urllib.parse.urlencode(query)}", timeout=20) as answer:
                return json.load(answer)

        wanted = {"dvae", "dvae/validation", "transformer", "transformer/validation"}
        for _ in range(100):
            if set(get("runs")) == wanted and len(get("plugin/scalars/tags")) == 4:
                break
            time.sleep(0.2)
        check(f"tensorboard {' '.join(arguments)} shows the runs", set(get("runs")) == wanted)
        for stage in ["dvae", "transformer"]:
            steps, _ = logged(stage)
            tag = "speed/secondsPerStep"
            expected = {step: line["seconds"] for step, line in steps.items()}
            for _ in range(50):
                curve = get("plugin/scalars/scalars", run=stage, tag=tag)
                if len(curve) == len(expected):
                    break
                time.sleep(0.2)
            check(f"{stage}: the curve has {len(curve)} points of the log", same([point[1:] for point in curve], expected, tag))
            times = [moment for moment, _, _ in curve]
            check(f"{stage}: and does not go back in time", times == sorted(times))
        texts = get("plugin/text/text", run="dvae", tag="configuration")
        check("the configuration is shown as code", len(texts) > 0 and "<code" in texts[-1]["text"])
    finally:
        server.terminate()
        server.wait()


_, validation, validations = check_stage(
    "dvae", ["reconstruction", "kl"],
    [("loss/reconstruction", "reconstruction"), ("loss/kl", "kl"), ("validation/PSNR", "PSNR"), ("validation/codes used", "codes used"),
     ("validation/perplexity", "perplexity")])
check_codes(validation, validations)
board, _, _ = check_stage("transformer", ["text", "image"], [("loss/total", "loss"), ("loss/text", "text"), ("loss/image", "image")])
check_configuration(board)
check_server("--load_fast=false")
check_server("--load_fast=true")
sys.exit(failures > 0)
