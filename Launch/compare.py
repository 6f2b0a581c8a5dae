"""Variants of a configuration, trained over several seeds and compared. `Launch/compare` starts it."""

import argparse
import json
import math
import os
import re
import shutil
import statistics
import subprocess
import sys
import time

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot
import yaml

# Exit codes as in sysexits.h, the same as the other commands'.
USAGE, DATA, FAILED = 64, 65, 70
DIVERGED = 80  # dalle-train's
# 97.5 % quantiles of Student's t for 1, 2, ... degrees of freedom.
T = [12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.20, 2.18, 2.16, 2.14, 2.13]


class Problem(Exception):
    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


def main():
    options = parse()
    try:
        Comparison(options).run()
    except Problem as problem:
        print(f"compare: {problem}", file=sys.stderr)
        return problem.code
    except KeyboardInterrupt:
        print("compare: stopped; the same command resumes it", file=sys.stderr)
        return 130
    return 0


def parse():
    parser = Parser(
        prog="Launch/compare",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="""\
Trains a configuration and variants of it, each with several seeds, one run after the other and all variants of a seed in turn.
At equal samples every variant makes all of the configuration's steps, whatever its `patience`. At equal seconds a variant whose step takes other CPU seconds than the
base's makes as many steps as fit into the base's CPU seconds. The stages before the compared one are made once, with the configuration's
own seed, and shared: all variants see the same tokens. The same command resumes where it was stopped.

  Launch/compare runs/compare-beta2 --config Configs/emoji.yaml --variant slow transformer.training.adamw.beta2=0.999

writes table.md, results.json and losses.png into the folder.""",
    )
    parser.add_argument("out", metavar="OUT", help="folder of the comparison")
    parser.add_argument("--config", required=True, help="YAML file with the configuration of the base")
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE", help="a value for all runs; may be repeated")
    parser.add_argument(
        "--variant", dest="variants", action="append", nargs="+", default=[], metavar=("NAME", "KEY=VALUE"),
        help="a variant: its name, and what it changes; may be repeated",
    )
    parser.add_argument("--stage", choices=["dvae", "transformer"], default="transformer", help="what is compared (default: transformer)")
    parser.add_argument("--metric", help="value of the validation that is compared (default: image; for the dVAE reconstruction)")
    parser.add_argument("--seeds", type=int, default=4, metavar="N", help="seeds of every variant (default: 4)")
    parser.add_argument(
        "--most", type=int, default=None, metavar="N",
        help="most seeds of a variant whose 95 %% interval against the base still holds 0 (default: as --seeds)")
    parser.add_argument("--ranks", type=int, default=None, metavar="N", help="ranks of a run (default: one per core)")
    parser.add_argument("--equal", choices=["samples", "seconds", "both"], default="samples", help="what variants have equally (default: samples)")
    parser.add_argument("--score", action="store_true", help="also score the images of scenes (dalle-eval scenes); for data.source: scenes")
    options = parser.parse_args()
    options.most = max(options.seeds, options.most or 0)
    names = [words[0] for words in options.variants]
    for words in options.variants:
        if not re.fullmatch(r"[A-Za-z0-9_.]+", words[0]) or "=" in words[0]:
            parser.error(f"--variant {words[0]}: a name has letters, digits, _ and . alone, and comes before what the variant changes")
        for word in words[1:]:
            if "=" not in word:
                parser.error(f"--variant {words[0]}: {word} is no KEY=VALUE")
    if len(set(names + ["base"])) != len(names) + 1:
        parser.error("two variants have one name (the configuration itself is called base)")
    for name, value in [("--seeds", options.seeds), ("--most", options.most), ("--ranks", 1 if options.ranks is None else options.ranks)]:
        if not 1 <= value <= 1000:
            parser.error(f"{name} is {value}; it must lie between 1 and 1000")
    if options.seeds < 2:
        parser.error("--seeds is 1; a difference needs at least 2 seeds to have an error bar")
    options.metric = options.metric or ("image" if options.stage == "transformer" else "reconstruction")
    if options.ranks is None:
        options.ranks = int(subprocess.run(["dalle-bench", "cores"], check=True, capture_output=True, text=True).stdout)
    return options


class Parser(argparse.ArgumentParser):
    def error(self, message):
        print(f"compare: {message}; --help has the options", file=sys.stderr)
        sys.exit(USAGE)


class Run:
    """One training: a variant, a seed, and whether its steps are those of the configuration or as many as the base's seconds allow."""

    def __init__(self, comparison, variant, seed, kind, steps):
        self.comparison, self.variant, self.seed, self.kind, self.steps = comparison, variant, seed, kind, steps
        self.folder = f"{comparison.out}/runs/{variant}-{seed}" + ("" if kind == "samples" else "-seconds")

    def train(self):
        """Trains, or finds what was trained before; adds to the CPU seconds of earlier starts."""
        c = self.comparison
        record = f"{self.folder}/compare.json"
        done = json.load(open(record)) if os.path.exists(record) else {"cpu": 0.0, "code": None}
        settings = c.overrides + c.variants[self.variant] + [f"seed={self.seed}"]
        if self.kind == "seconds":
            settings.append(f"{c.stage}.training.steps={self.steps}")
        if done["code"] in (0, DIVERGED) and done["settings"] == settings:
            self.read(done)
            return False
        if not os.path.exists(f"{self.folder}/config.yaml"):
            os.makedirs(self.folder, exist_ok=True)
            for part in c.shared:
                if os.path.exists(f"{c.out}/shared/{part}"):
                    shutil.copytree(f"{c.out}/shared/{part}", f"{self.folder}/{part}", dirs_exist_ok=True)
        code, cpu = c.start(self.folder, settings, [] if c.stage == "transformer" else ["--stage", c.stage])
        done = {"cpu": done["cpu"] + cpu, "code": code, "settings": settings}
        with open(record, "w") as file:
            json.dump(done, file)
        if code not in (0, DIVERGED):
            raise Problem(
                FAILED, f"{self.folder}: dalle-train ended with {code}; {self.folder}/out.txt has its messages, of which the last is:\n"
                + last_line(f"{self.folder}/out.txt"))
        if c.options.score and code == 0:
            scores = subprocess.run(["dalle-eval", "scenes", "--model", self.folder], capture_output=True, text=True)
            if scores.returncode != 0:
                raise Problem(FAILED, f"{self.folder}: dalle-eval scenes ended with {scores.returncode}: {scores.stderr.strip()}")
        self.read(done)
        return True

    def read(self, done):
        self.cpu, self.diverged = done["cpu"], done["code"] == DIVERGED
        self.curve = []  # (step, value) of validations
        self.did = 0
        with open(f"{self.folder}/logs/{self.comparison.stage}.steps.jsonl") as log:
            for line in log:
                event = json.loads(line)
                if event.get("event") == "validation":
                    if self.comparison.options.metric not in event["values"]:
                        raise Problem(
                            USAGE, f"--metric {self.comparison.options.metric}: the validation has {', '.join(sorted(event['values']))}")
                    self.curve.append((event["step"], float(event["values"][self.comparison.options.metric])))
                elif "loss" in event:
                    self.did = event["step"]
        if not self.curve and not self.diverged:
            raise Problem(DATA, f"{self.folder}: has no validation; set {self.comparison.stage}.training.validateEvery")
        self.perStep = self.cpu / max(1, self.did)
        self.best = min((value for _, value in self.curve), default=math.inf)
        self.last = self.curve[-1][1] if self.curve else math.inf
        path = f"{self.folder}/evaluation/scores.json"
        self.scores = flat(json.load(open(path))) if self.comparison.options.score and os.path.exists(path) else {}

    def secondsTo(self, goal):
        """CPU seconds until the curve first reaches `goal`, between validations along a line; nothing where it does not."""
        before = None
        for step, value in self.curve:
            if value <= goal:
                if before:
                    step = before[0] + (step - before[0]) * (before[1] - goal) / (before[1] - value)
                return step * self.perStep
            before = (step, value)
        return None


class Comparison:
    def __init__(self, options):
        self.options, self.stage, self.out = options, options.stage, options.out
        # Runs that end at different steps have no equal samples.
        self.overrides = [f"{options.stage}.training.patience=0"] + options.overrides
        self.variants = {"base": []} | {words[0]: words[1:] for words in options.variants}
        self.shared = ["dataset", "model", "shards"] if self.stage == "transformer" else ["dataset"]
        self.runs = []
        self.began, self.trained = time.monotonic(), 0.0

    def start(self, folder, settings, arguments):
        """Runs dalle-train: its exit code, and CPU seconds of all ranks."""
        command = ["mpirun", "-n", str(self.options.ranks), "dalle-train", "--config", self.options.config, "--run", folder]
        for setting in settings:
            command += ["--set", setting]
        with open(f"{folder}/out.txt", "a") as out:
            process = subprocess.Popen(command + arguments, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
            try:
                _, status, usage = os.wait4(process.pid, 0)
            except KeyboardInterrupt:
                process.terminate()
                process.wait()
                raise
        process.returncode = os.waitstatus_to_exitcode(status)
        return process.returncode, usage.ru_utime + usage.ru_stime

    def prepare(self):
        """The stages before the compared one, with the configuration's own seed."""
        folder = f"{self.out}/shared"
        os.makedirs(folder, exist_ok=True)
        for stage in ["tokenizer", "dvae", "encode"] if self.stage == "transformer" else ["tokenizer"]:
            print(f"shared: {stage}", flush=True)
            code, _ = self.start(folder, self.overrides, ["--stage", stage])
            if code != 0:
                raise Problem(FAILED, f"{folder}: dalle-train ended with {code}; its last message is:\n{last_line(f'{folder}/out.txt')}")
        config = yaml.safe_load(open(f"{folder}/config.yaml"))
        self.steps = config[self.stage]["training"]["steps"]
        if self.options.score and config["data"]["source"] != "scenes":
            raise Problem(USAGE, "--score is for data.source: scenes")

    def run(self):
        self.prepare()
        undecided = [name for name in self.variants if name != "base"]
        for seed in range(1, self.options.most + 1):
            if seed > self.options.seeds:
                undecided = [name for name in undecided if self.isUndecided(name)]
                if not undecided:
                    break
            for kind in ["samples", "seconds"]:
                for name in ["base"] + undecided:
                    self.trainOne(name, seed, kind)
            self.write()
        print(open(f"{self.out}/table.md").read())
        print(f"{self.out}/table.md, results.json, losses.png")

    def trainOne(self, name, seed, kind):
        steps = self.steps
        if kind == "seconds":
            if self.options.equal == "samples" or name == "base":
                return
            # Costs so far: of all seeds, which is the least noisy.
            costs = [statistics.median(run.perStep for run in self.of(variant, "samples")) for variant in ("base", name)]
            steps = max(1, round(self.steps * costs[0] / costs[1]))
        if kind == "samples" and self.options.equal == "seconds" and seed > 1 and name != "base":
            return
        run = Run(self, name, seed, kind, steps)
        begin = time.monotonic()
        isNew = run.train()
        self.runs.append(run)
        if isNew:
            self.trained += 1
            text = "diverged" if run.diverged else f"{self.options.metric} {run.last:.4f}, best {run.best:.4f}"
            print(
                f"{name}, seed {seed}, equal {kind}: {run.did:,} steps, {text}, {run.cpu:,.0f} CPU s, {time.monotonic() - begin:,.0f} s; "
                f"about {self.remaining() / 60:,.0f} min remain", flush=True)

    def remaining(self):
        """Seconds that the seeds that are asked for still take."""
        kinds = 2 if self.options.equal == "both" else 1
        whole = self.options.seeds * (1 + (len(self.variants) - 1) * kinds)
        return max(0, whole - len(self.runs)) * (time.monotonic() - self.began) / max(1, self.trained)

    def of(self, name, kind):
        return [run for run in self.runs if run.variant == name and run.kind == kind]

    def pairs(self, name, kind):
        """A variant's runs, each beside the base's of the same seed; without those that diverged."""
        base = {run.seed: run for run in self.of("base", "samples")}
        return [(run, base[run.seed]) for run in self.of(name, kind) if not run.diverged and not base[run.seed].diverged]

    def isUndecided(self, name):
        kinds = {"samples": ["samples"], "seconds": ["seconds"], "both": ["samples", "seconds"]}[self.options.equal]
        for kind in kinds:
            mean, half = interval([run.best - base.best for run, base in self.pairs(name, kind)])
            if half is None or abs(mean) <= half:
                return True
        return False

    def write(self):
        rows, results = [], []
        metric = self.options.metric
        for kind in ["samples", "seconds"]:
            for name in self.variants:
                runs = self.of("base", "samples") if name == "base" else self.of(name, kind)
                good = [run for run in runs if not run.diverged]
                if not good or (name == "base" and kind == "seconds" and self.options.equal == "samples"):
                    if runs and not good:
                        rows.append(f"| {name} | {kind} | all {len(runs)} runs diverged |" + " |" * 6)
                    continue
                pairs = [(run, run) for run in good] if name == "base" else self.pairs(name, kind)
                mean, half = interval([run.best - base.best for run, base in pairs])
                reached = [run.secondsTo(base.best) for run, base in pairs]
                speeds = [base.secondsTo(base.best) / s for s, (_, base) in zip(reached, pairs) if s]
                difference = "" if name == "base" else f"{mean:+.4f}" + ("" if half is None else f" ± {half:.4f}")
                speed = "" if name == "base" or not speeds else f"{math.exp(statistics.mean(map(math.log, speeds))):.2f} x"
                if name != "base":
                    speed += f" ({len(speeds)} of {len(pairs)})"
                cost = statistics.median(run.perStep for run in good) / statistics.median(run.perStep for run in self.of("base", "samples"))
                seeds = f"{len(good)}" + (f", {len(runs) - len(good)} diverged" if len(good) < len(runs) else "")
                scores = {key: statistics.mean(run.scores[key] for run in good) for key in good[0].scores}
                rows.append(
                    f"| {name} | {kind} | {seeds} | {statistics.median(run.did for run in good):,.0f} | {cost:.3f} "
                    f"| {spread([run.best for run in good])} | {spread([run.last for run in good])} | {difference} | {speed} |")
                results.append({
                    "variant": name, "changes": self.variants[name], "equal": kind, "seeds": [run.seed for run in good],
                    "diverged": len(runs) - len(good), "steps": [run.did for run in good], "cpuSeconds": [run.cpu for run in good],
                    "best": [run.best for run in good], "last": [run.last for run in good], "curves": [run.curve for run in good],
                    "difference": mean, "interval": half, "scores": scores, "scoresOfSeeds": [run.scores for run in good]})
        head = f"| variant | equal | seeds | steps | CPU s per step, base 1 | best {metric} | last {metric} | best against base | base's best reached |"
        lines = [head, "|---" * 9 + "|"] + rows
        if self.options.score:
            keys = sorted({key for result in results for key in result["scores"]})
            lines += ["", "| score | " + " | ".join(f"{r['variant']}, equal {r['equal']}" for r in results) + " |", "|---" * (1 + len(results)) + "|"]
            for key in keys:
                lines.append(
                    f"| {key} | " + " | ".join(spread([scores.get(key, math.nan) for scores in r["scoresOfSeeds"]]) for r in results) + " |")
        lines += [
            "", f"Held-out {metric} of the {self.stage}: mean ± standard deviation over seeds; against the base: mean of the differences of equal "
            "seeds ± half of its 95 % interval; CPU seconds until the base's best is reached: the base's divided by the variant's, of the seeds "
            "that reach it."]
        with open(f"{self.out}/table.md", "w") as file:
            file.write("\n".join(lines) + "\n")
        with open(f"{self.out}/results.json", "w") as file:
            json.dump({"stage": self.stage, "metric": metric, "config": self.options.config, "set": self.overrides, "variants": results}, file, indent=1)
        self.plot()

    def plot(self):
        figure, panels = pyplot.subplots(1, 2, figsize=(11, 4), sharey=True)
        for panel, label, scale in [(panels[0], "step", lambda run: 1), (panels[1], "CPU seconds", lambda run: run.perStep)]:
            for index, name in enumerate(self.variants):
                runs = [run for run in self.of(name, "samples") if not run.diverged] or [run for run in self.of(name, "seconds") if not run.diverged]
                if not runs:
                    continue
                steps = sorted(set.intersection(*(set(step for step, _ in run.curve) for run in runs)))
                values = [[dict(run.curve)[step] for run in runs] for step in steps]
                x = [step * statistics.mean(scale(run) for run in runs) for step in steps]
                mean = [statistics.mean(column) for column in values]
                half = [statistics.stdev(column) if len(column) > 1 else 0 for column in values]
                panel.plot(x, mean, color=f"C{index}", label=name, linewidth=1.2)
                panel.fill_between(x, [m - h for m, h in zip(mean, half)], [m + h for m, h in zip(mean, half)], color=f"C{index}", alpha=0.2)
            panel.set(xlabel=label)
            panel.grid(alpha=0.3)
        panels[0].set(ylabel=f"held-out {self.options.metric}, mean ± standard deviation")
        panels[0].legend()
        figure.tight_layout()
        figure.savefig(f"{self.out}/losses.png", dpi=100)
        pyplot.close(figure)


def interval(values):
    """Mean, and half of its 95 % interval; nothing for one value."""
    mean = statistics.mean(values) if values else 0.0
    if len(values) < 2:
        return mean, None
    t = T[len(values) - 2] if len(values) - 2 < len(T) else 1.96 + 2.4 / (len(values) - 1)
    return mean, t * statistics.stdev(values) / math.sqrt(len(values))


def spread(values):
    return f"{statistics.mean(values):.4f}" + (f" ± {statistics.stdev(values):.4f}" if len(values) > 1 else "")


def flat(value, name=""):
    """The numbers of a JSON object, by the names of their keys joined by dots."""
    if isinstance(value, dict):
        return {key: number for k, v in value.items() for key, number in flat(v, f"{name}.{k}" if name else k).items()}
    return {name: float(value)} if isinstance(value, (int, float)) and not isinstance(value, bool) else {}


def last_line(path):
    lines = [line.strip() for line in open(path, errors="replace") if line.strip()]
    return lines[-1] if lines else "(none)"


sys.exit(main())
