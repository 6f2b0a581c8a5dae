"""Parquet files and saved datasets with images inside, as WebDataset archives. `Launch/import-parquet` starts it."""

import argparse
import base64
import collections
import io
import json
import os
import sys
import tarfile
import time

import pyarrow as pa
import pyarrow.parquet as pq

# Exit codes as in sysexits.h, the same as the other commands'.
USAGE, DATA, NO_INPUT, IO = 64, 65, 66, 74
IMAGE_NAMES = ["image", "img", "jpg", "jpeg", "png", "webp", "picture", "pixel_values", "image_bytes", "bytes"]
CAPTION_NAMES = ["caption", "captions", "text", "prompt", "description", "title", "alt_text"]
URL_NAMES = ["url", "image_url", "img_url", "urls"]
FETCH = (
    "img2dataset --url_list {file} --input_format parquet --url_col {url} --caption_col {caption} "
    "--output_format webdataset --output_folder FOLDER; then `dalle-prep collect FOLDER`"
)


class Problem(Exception):
    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


def main():
    options = parse()
    try:
        importer = Importer(options)
        importer.run()
    except Problem as problem:
        print(f"import-parquet: {problem}", file=sys.stderr)
        return problem.code
    except OSError as problem:
        name = problem.filename or options.out
        print(f"import-parquet: {name}: {problem.strerror}; make room or check its permissions, and start again", file=sys.stderr)
        return IO
    except KeyboardInterrupt:
        print("import-parquet: stopped; start again with an empty --out", file=sys.stderr)
        return 130
    return 0


def parse():
    parser = argparse.ArgumentParser(
        prog="import-parquet",
        description="Writes the images and captions of Parquet files (Hugging Face datasets, img2dataset's parquet output) and of "
        "save_to_disk folders as WebDataset archives. Rows that cannot be used are counted and listed in OUT/skipped.jsonl.",
    )
    parser.add_argument("sources", nargs="+", metavar="SOURCE", help="a .parquet file, or a folder: its .parquet or .arrow files")
    parser.add_argument("--out", required=True, help="the folder for the archives; new or empty")
    parser.add_argument("--image", metavar="COLUMN", help=f"column with the images (default: the first of {', '.join(IMAGE_NAMES)})")
    parser.add_argument(
        "--caption", metavar="COLUMN", action="append",
        help=f"column with captions: text or lists of text; may be given several times (default: the first of {', '.join(CAPTION_NAMES)})",
    )
    parser.add_argument("--samples", type=int, default=10_000, help="samples of an archive (default: 10000)")
    options = parser.parse_args()
    if options.samples < 1:
        parser.error(f"--samples is {options.samples}; it must be at least 1")
    return options


def find(sources):
    """The data files of all sources, in order of their names."""
    files = []
    for source in sources:
        if os.path.isdir(source):
            found = [os.path.join(folder, name) for folder, _, names in os.walk(source) for name in names]
            # `cache-*.arrow` are what transformations left beside the dataset.
            found = sorted(
                path for path in found
                if path.endswith(".parquet") or (path.endswith(".arrow") and not os.path.basename(path).startswith("cache-"))
            )
            if not found:
                raise Problem(NO_INPUT, f"{source}: the folder has no .parquet and no .arrow files; give the folder that has them")
            files += found
        elif os.path.exists(source):
            files.append(source)
        else:
            raise Problem(NO_INPUT, f"{source}: there is no such file or folder; check the path")
    return files


class Table:
    """One data file: its columns, its number of rows (None where the format does not tell), its batches."""

    def __init__(self, path):
        self.path = path
        try:
            if path.endswith(".arrow"):
                with pa.memory_map(path) as source:
                    self.schema = pa.ipc.open_stream(source).schema
                self.count = None
            else:
                file = pq.ParquetFile(path)
                self.schema, self.count = file.schema_arrow, file.metadata.num_rows
        except pa.ArrowInvalid as problem:
            raise Problem(DATA, f"{path}: is not a whole Parquet or Arrow file ({first_line(problem)}); download or write it again") from None

    def batches(self, columns):
        try:
            if self.path.endswith(".arrow"):
                with pa.memory_map(self.path) as source:
                    for batch in pa.ipc.open_stream(source):
                        yield batch.select(columns)
            else:
                yield from pq.ParquetFile(self.path).iter_batches(batch_size=256, columns=columns)
        except (pa.ArrowInvalid, OSError) as problem:
            raise Problem(DATA, f"{self.path}: is damaged ({first_line(problem)}); download or write it again") from None


def first_line(problem):
    return str(problem).strip().splitlines()[0][:200]


class Importer:
    def __init__(self, options):
        self.options = options
        self.tables = [Table(path) for path in find(options.sources)]
        self.columns = [self.choose(table) for table in self.tables]
        if os.path.isfile(options.out):
            raise Problem(USAGE, f"{options.out}: is a file; --out takes a folder")
        os.makedirs(options.out, exist_ok=True)
        if os.listdir(options.out):
            raise Problem(USAGE, f"{options.out}: the folder is not empty; give --out another one, or empty it")
        counts = [table.count for table in self.tables]
        self.total = None if None in counts else sum(counts)
        self.written, self.rows, self.archive, self.tar = 0, 0, 0, None
        self.skipped = collections.Counter()
        self.list = None
        self.begun = self.reported = time.monotonic()

    def choose(self, table):
        """The names of the image column and of the caption columns."""
        names = {}
        for name in table.schema.names:
            names.setdefault(name.lower(), name)
        known = f"it has {', '.join(table.schema.names) or 'no columns'}"

        def named(name, option):
            if name not in table.schema.names:
                raise Problem(USAGE, f"{table.path}: there is no column {name!r}, which {option} names; {known}")
            return name

        if self.options.image:
            image = named(self.options.image, "--image")
        else:
            image = next((names[name] for name in IMAGE_NAMES if name in names), None)
        if self.options.caption:
            captions = [named(name, "--caption") for name in self.options.caption]
        else:
            captions = [names[name] for name in CAPTION_NAMES if name in names][:1]
        if image is None:
            url = next((names[name] for name in URL_NAMES if name in names), None)
            if url:
                fetch = FETCH.format(file=table.path, url=url, caption=captions[0] if captions else "CAPTION")
                raise Problem(DATA, f"{table.path}: has addresses of images (column {url}), not images; fetch them first: {fetch}")
            raise Problem(DATA, f"{table.path}: no column is named {', '.join(IMAGE_NAMES)}; {known}; name the images' with --image")
        if not captions:
            raise Problem(
                DATA, f"{table.path}: no column is named {', '.join(CAPTION_NAMES)}; {known}; name the captions' with --caption")
        return image, captions

    def run(self):
        with open(os.path.join(self.options.out, "skipped.jsonl"), "w", encoding="utf-8") as self.list:
            for table, (image, captions) in zip(self.tables, self.columns):
                row = 0
                for batch in table.batches([image, *captions]):
                    for values in batch.to_pylist():
                        self.add(table, row, values[image], [values[name] for name in captions])
                        row += 1
                    self.report(False)
        self.close()
        self.report(True)
        for reason, count in self.skipped.most_common():
            print(f"skipped {count:,}: {reason}")
        if self.skipped:
            print(f"each is listed in {self.list.name}")
        if not self.written:
            raise Problem(DATA, f"{self.options.out}: no row had both an image and a caption; see {self.list.name}")
        archives = "1 archive" if self.archive == 1 else f"{self.archive:,} archives"
        print(f"wrote {self.written:,} samples in {archives}; next: dalle-prep collect {self.options.out} --out DATASET")

    def add(self, table, row, image, captions):
        self.rows += 1
        texts = []
        for value in captions:
            texts += value if isinstance(value, list) else [value]
        texts = [text for text in texts if isinstance(text, str) and text.strip()]
        data, path, reason = self.image(table, image)
        if reason is None and not texts:
            reason = "it has no caption: name another column with --caption"
        if reason is not None:
            self.skipped[reason] += 1
            print(json.dumps({"location": f"{table.path}:{row}", "reason": reason}, ensure_ascii=False), file=self.list)
            return
        if self.tar is None or self.written % self.options.samples == 0:
            self.open()
        key = f"{self.written:09d}"
        self.member(key + extension(data, path), data)
        self.member(key + ".json", json.dumps({"caption": texts}, ensure_ascii=False).encode())
        self.written += 1

    def image(self, table, value):
        """Bytes, path (or None), reason why there is no image (or None)."""
        path = None
        if isinstance(value, dict):
            path, value = value.get("path"), value.get("bytes")
            if value is None and path:
                # Relative to the file that names it, as img2dataset and datasets write it.
                file = os.path.join(os.path.dirname(table.path), path)
                if not os.path.isfile(file):
                    return None, path, "its image is a path to a file that is not there: save the dataset with images inside"
                with open(file, "rb") as opened:
                    value = opened.read()
        if isinstance(value, str):
            try:
                value = base64.b64decode(value, validate=True)
            except ValueError:
                return None, path, "its image is a text that is not base64: name another column with --image"
        if value is None:
            return None, path, "its image is null: it was not fetched, or is missing in the source"
        if not isinstance(value, bytes):
            kind = type(value).__name__
            return None, path, f"its image is of type {kind}, not the bytes of an image file: name another column with --image"
        return (value, path, None) if value else (None, path, "its image has no bytes")

    def open(self):
        self.close()
        self.name = os.path.join(self.options.out, f"{self.archive:05d}.tar")
        self.tar = tarfile.open(self.name + ".partial", "w")

    def member(self, name, data):
        entry = tarfile.TarInfo(name)
        entry.size = len(data)
        self.tar.addfile(entry, io.BytesIO(data))

    def close(self):
        if self.tar is None:
            return
        self.tar.close()
        os.rename(self.name + ".partial", self.name)
        self.tar = None
        self.archive += 1

    def report(self, last):
        now = time.monotonic()
        if not last and now - self.reported < 2:
            return
        self.reported = now
        text = f"{self.rows:,}"
        if self.total:
            left = (now - self.begun) / max(self.rows, 1) * (self.total - self.rows)
            text += f" of {self.total:,} rows, {100 * self.rows // self.total} %, {left:,.0f} s left"
        else:
            text += " rows"
        print(text, flush=True)


def extension(data, path):
    """By content; `dalle-prep collect` decodes by content, too, and counts what it cannot read."""
    for start, name in [(b"\xff\xd8\xff", ".jpg"), (b"\x89PNG", ".png"), (b"GIF8", ".gif"), (b"II*\0", ".tif"), (b"MM\0*", ".tif"), (b"BM", ".bmp")]:
        if data.startswith(start):
            return name
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return ".webp"
    if data[4:12] in (b"ftypavif", b"ftypheic", b"ftypmif1"):
        return ".avif" if data[8:12] == b"avif" else ".heic"
    return os.path.splitext(path or "")[1].lower() or ".jpg"


if __name__ == "__main__":
    sys.exit(main())
