"""A dataset of captioned images from Debian's packages. `Launch/data-clipart` starts it."""

import argparse
import collections
import concurrent.futures
import fcntl
import json
import os
import shutil
import sys
import time

from packages import Packages
from problem import BUSY, DATA, IO, UNAVAILABLE, USAGE, Problem
from render import Unusable, render
from sources import SOURCES

# Images that all sources together have at least; Debian 12's have 22,800.
PROMISED = 15_000


class Parser(argparse.ArgumentParser):
    def error(self, message):
        self.exit(USAGE, f"data-clipart: {message}; `Launch/data-clipart --help` has the options\n")


def parse():
    parser = Parser(
        prog="Launch/data-clipart",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="""\
Makes a dataset of captioned images: clip art, stamps, emoji, flags, sprites and icons of Debian's packages, which are downloaded and
unpacked below OUT/packages and not installed. The same command resumes where it was stopped.

  Launch/data-clipart data/clipart
  dalle-prep collect data/clipart/captions.jsonl --out data/drawings

writes OUT/captions.jsonl (image, captions, source, license, author, title), OUT/images, OUT/licenses, the packages' copyright files,
and OUT/skipped.jsonl, everything that was dropped and why. OUT/packages may be deleted afterwards.""",
        epilog="sources: " + ", ".join(source.name for source in SOURCES),
    )
    parser.add_argument("out", metavar="OUT", help="folder for the dataset; new, empty, or of an earlier run with the same --size")
    parser.add_argument("--only", nargs="+", metavar="SOURCE", help="take these sources alone")
    parser.add_argument(
        "--size", type=int, default=256, metavar="N", help="longest side of drawings, and of images that are larger, in pixels (default: 256)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), metavar="N", help="images that are rendered at a time (default: one per core)")
    options = parser.parse_args()
    if not 48 <= options.size <= 2048:
        parser.error(f"--size is {options.size}; it must be from 48 to 2048")
    if options.jobs < 1:
        parser.error(f"--jobs is {options.jobs}; it must be at least 1")
    known = {source.name for source in SOURCES}
    for name in options.only or []:
        if name not in known:
            parser.error(f"--only has {name}; the sources are {', '.join(source.name for source in SOURCES)}")
    return options


def main():
    options = parse()
    try:
        return Clipart(options).run()
    except Problem as problem:
        print(f"data-clipart: {problem}", file=sys.stderr)
        return problem.code
    except OSError as problem:
        name = problem.filename or options.out
        print(f"data-clipart: {name}: {problem.strerror}; make room or check its permissions, and start again", file=sys.stderr)
        return IO
    except KeyboardInterrupt:
        print("data-clipart: stopped; the same command resumes it", file=sys.stderr)
        return 130


class Clipart:
    def __init__(self, options):
        self.out, self.size, self.jobs = os.path.abspath(options.out), options.size, options.jobs
        self.named = options.only is not None
        self.sources = [source for source in SOURCES if not self.named or source.name in options.only]
        if os.path.exists(self.out) and not os.path.isdir(self.out):
            raise Problem(USAGE, f"{self.out}: is a file; OUT is a folder")
        os.makedirs(os.path.join(self.out, "images"), exist_ok=True)
        self.journal = Journal(os.path.join(self.out, "packages"), self.size)
        self.packages = Packages(os.path.join(self.out, "packages"))
        self.skipped, self.missing = [], []

    def run(self):
        entries = []
        for source in self.sources:
            try:
                unpacked = [self.packages.get(name, paths) for name, paths in source.packages.items()]
            except Problem as problem:
                if problem.code != UNAVAILABLE:
                    raise
                print(f"data-clipart: {source.name} is left out: {problem}", file=sys.stderr, flush=True)
                self.missing.append(source.name)
                continue
            items, dropped = source.items(*unpacked)
            self.skipped += [{"source": source.name, "location": self.location(where), "reason": reason} for where, reason in dropped]
            self.copy_license(unpacked[0])
            entries += [Entry(source, unpacked[0], item) for item in items]
        for entry in entries:
            entry.result = self.journal.results.get(entry.key)
        waiting = [entry for entry in entries if entry.result is None]
        if len(waiting) < len(entries):
            print(f"{len(entries) - len(waiting):,} images were rendered before, {len(waiting):,} remain", flush=True)
        self.render(waiting)
        kept = self.merge(entries)
        # A duplicate's image was removed; with other sources than before it may be the first of its kind.
        self.render([entry for entry in kept if not os.path.exists(self.path(entry))])
        self.write(kept)
        return self.summary(kept)

    def location(self, path):
        return os.path.relpath(path, self.out) if os.path.isabs(path) else path

    def path(self, entry):
        return os.path.join(self.out, entry.image)

    def copy_license(self, package):
        os.makedirs(os.path.join(self.out, "licenses"), exist_ok=True)
        shutil.copyfile(package.copyright(), os.path.join(self.out, "licenses", package.name + ".txt"))

    def render(self, entries):
        """Renders images, and notes each result: a hash, or why there is none."""
        progress = Progress(len(entries))
        executor = concurrent.futures.ThreadPoolExecutor(self.jobs)
        try:
            for entry, result in zip(entries, executor.map(self.one, entries)):
                entry.result = result
                self.journal.add(entry.key, result)
                progress.step()
        finally:
            executor.shutdown(cancel_futures=True)

    def one(self, entry):
        path = self.path(entry)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        try:
            return {"hash": render(entry.item, self.size, path)}
        except Unusable as problem:
            return {"reason": problem.args[0], "detail": problem.args[1] if len(problem.args) > 1 else None}

    def merge(self, entries):
        """Images with different pixels; names of the same pixels become captions of the first image."""
        kept = {}
        for entry in entries:
            reason, detail = entry.result.get("reason"), entry.result.get("detail")
            if reason is None:
                first = kept.setdefault(entry.result["hash"], entry)
                if first is entry:
                    continue
                reason, detail = "the same pixels as an image before", first.image
                # The first caption has no style, which is that of another source.
                if entry.item.captions[0].lower() not in map(str.lower, first.item.captions):
                    first.item.captions.append(entry.item.captions[0])
                if os.path.exists(self.path(entry)):
                    os.remove(self.path(entry))
            where = entry.item.file or f"{entry.package.name}: {entry.item.name}"
            record = {"source": entry.source.name, "location": self.location(where), "reason": reason}
            self.skipped.append({**record, "detail": detail} if detail else record)
        return list(kept.values())

    def write(self, kept):
        records = [entry.record() for entry in kept]
        for name, lines in ("captions.jsonl", records), ("skipped.jsonl", self.skipped):
            path = os.path.join(self.out, name)
            with open(path + ".partial", "w", encoding="utf-8") as file:
                for line in lines:
                    print(json.dumps(line, ensure_ascii=False), file=file)
            os.rename(path + ".partial", path)

    def summary(self, kept):
        images = collections.Counter(entry.source.name for entry in kept)
        texts = collections.Counter()
        for entry in kept:
            texts[entry.source.name] += len(entry.item.captions)
        dropped = collections.Counter(record["source"] for record in self.skipped)
        print(f"{'source':<16} {'images':>7} {'captions':>9} {'dropped':>8}")
        for source in self.sources:
            name = source.name
            note = "  cannot be had, see above" if name in self.missing else ""
            print(f"{name:<16} {images[name]:>7,} {texts[name]:>9,} {dropped[name]:>8,}{note}")
        for reason, count in collections.Counter(record["reason"] for record in self.skipped).most_common():
            print(f"dropped {count:,}: {reason}")
        if self.skipped:
            print(f"each is listed in {os.path.join(self.out, 'skipped.jsonl')}")
        manifest = os.path.join(self.out, "captions.jsonl")
        print(f"wrote {len(kept):,} images with {sum(texts.values()):,} captions to {manifest}; next: dalle-prep collect {manifest} --out DATASET")
        if not self.named and len(kept) < PROMISED:
            print(
                f"data-clipart: {len(kept):,} images are fewer than the {PROMISED:,} that all sources have; see above for what is missing",
                file=sys.stderr)
            return UNAVAILABLE
        lacking = [source.name for source in self.sources if not images[source.name]]
        if self.named and lacking:
            print(f"data-clipart: no images of {', '.join(lacking)}; see above", file=sys.stderr)
            return UNAVAILABLE
        return 0


class Entry:
    """An item of a source, where its image is written, and what became of it."""

    def __init__(self, source, package, item):
        self.source, self.package, self.item, self.result = source, package, item, None
        self.image = f"images/{source.name}/{item.name}.png"
        self.key = f"{package.name}_{package.version}/{self.image}"

    def record(self):
        record = {
            "image": self.image, "caption": self.item.captions, "source": f"{self.package.name} {self.package.version}",
            "license": self.item.license or self.source.license, "license_file": f"licenses/{self.package.name}.txt",
        }
        extra = {"author": self.item.author, "title": self.item.title}
        return {**record, **{key: value for key, value in extra.items() if value}}


class Journal:
    """The results of images that were rendered, a line each, so that an interrupted run resumes."""

    def __init__(self, folder, size):
        os.makedirs(folder, exist_ok=True)
        self.path = os.path.join(folder, "rendered.jsonl")
        self.results = {}
        self.file = open(self.path, "a", encoding="utf-8")
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Problem(BUSY, f"{self.path}: another data-clipart works in this folder; wait for it, or use another OUT") from None
        with open(self.path, "rb") as file:
            data = file.read()
        # What a kill or a full disk left of a last line is not a result.
        data = data[: data.rfind(b"\n") + 1]
        header, *lines = data.splitlines() or [b""]
        if header and json.loads(header) != {"size": size}:
            raise Problem(
                DATA, f"{self.path}: the images were rendered with --size {json.loads(header)['size']}, not {size}; use that size or another OUT")
        for line in lines:
            record = json.loads(line)
            self.results[record.pop("image")] = record
        self.file.truncate(len(data))
        if not header:
            print(json.dumps({"size": size}), file=self.file, flush=True)

    def add(self, key, result):
        self.results[key] = result
        print(json.dumps({"image": key, **result}), file=self.file, flush=True)


class Progress:
    def __init__(self, total):
        self.total, self.done, self.begun = total, 0, time.monotonic()
        self.reported = self.begun

    def step(self):
        self.done += 1
        now = time.monotonic()
        if self.done < self.total and now - self.reported < 5:
            return
        self.reported = now
        left = (now - self.begun) / self.done * (self.total - self.done)
        print(f"rendered {self.done:,} of {self.total:,} images, {100 * self.done // self.total} %, {left:,.0f} s left", flush=True)


if __name__ == "__main__":
    sys.exit(main())
