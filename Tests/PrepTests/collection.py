"""Makes sources as users have them: good images, and every known error.

usage: collection.py make FOLDER        (prints what must be skipped: reason and location, one per line)
       collection.py skipped FILE       (prints the same of a skipped.jsonl)
       collection.py memory COMMAND...  (runs a command; prints its output, ends with its exit code; the last line has its peak memory in bytes)
"""
import io
import json
import os
import pathlib
import random
import resource
import struct
import subprocess
import sys
import tarfile
import zlib


def png(width, height, rows, depth=8, kind=2):
    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def image(number):
    stream = random.Random(number)
    ends = [stream.randbytes(3) for _ in range(2)]
    row = lambda y: bytes((a * x + b * (31 - x) + y * number) // 31 & 255 for x in range(32) for a, b in zip(*ends))
    return png(32, 32, b"".join(b"\0" + row(y) for y in range(32)))


def archive(path, members):
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for name, body in members:
            info = tarfile.TarInfo(name)
            info.size = len(body)
            tar.addfile(info, io.BytesIO(body))
    return path.read_bytes()


def make(root):
    skipped = []
    skip = lambda reason, location: skipped.append((reason, str(location)))
    folder = root / "folder"
    folder.mkdir(parents=True)
    for number in range(560):
        (folder / f"{number:03}.png").write_bytes(image(number))
        (folder / f"{number:03}.txt").write_text(f"image {number}\nthe same\n")
    good = image(1000)
    for name, body, caption, reason in [
        ("cut.png", good[: len(good) // 2], b"c", "image unreadable"),
        ("zero.png", b"", b"c", "image unreadable"),
        ("text.jpg", b"I am text, not an image\n", b"c", "image unreadable"),
        # 7.5 GB when decoded; 1 bit per pixel in the file.
        ("huge.png", png(50_000, 50_000, bytes(50_000 * 6251), depth=1, kind=0), b"c", "image too large"),
        ("alone.png", good, None, "no caption"),
        ("blank.png", good, b" \n\t\r\n", "no caption"),
        ("latin1.png", good, b"caf\xe9", "caption unreadable"),
        ("nul.png", good, b"a\0b", "caption unreadable"),
        ("long.png", good, b"word " * 20_000, "caption length"),
    ]:
        (folder / name).write_bytes(body)
        if caption is not None:
            (folder / name).with_suffix(".txt").write_bytes(caption)
        skip(reason, folder / name)
    (folder / "deep.png").write_bytes(good)
    (folder / "deep.json").write_text("[" * 100_000)
    skip("caption unreadable", folder / "deep.png")
    for name, reason in [("dangling.png", "image missing"), ("pipe.png", "image unreadable"), ("folder.png", "image unreadable")]:
        (folder / name).with_suffix(".txt").write_text("c")
        skip(reason, folder / name)
    (folder / "dangling.png").symlink_to("nowhere.png")
    os.mkfifo(folder / "pipe.png")
    (folder / "folder.png").mkdir()
    (folder / "loop").symlink_to(".")
    # The same name in a different folder is a different image; the same bytes under a different name are a duplicate.
    (folder / "sub").mkdir()
    (folder / "sub/000.png").write_bytes(image(2000))
    (folder / "sub/000.txt").write_text("another")
    (folder / "sub/copy.png").write_bytes(image(1))
    (folder / "sub/copy.txt").write_text("a copy")

    lonely = root / "lonely"
    lonely.mkdir()
    (lonely / "1.png").write_bytes(good)

    lines = [
        (b'{"image": "folder/002.png", "caption": "once"}', None),
        (b'{"image": "folder/002.png", "caption": "twice"}', None),
        (b'{"image": "folder/none.png", "caption": "c"}', "image missing"),
        (b'{"image": "folder/\\u0000.png", "caption": "c"}', "image unreadable"),
        (b"{not json}", "source damaged"),
        (b'{"image": "folder/003.png", "caption": "caf\xe9"}', "source damaged"),
        (b'{"image": "folder/003.png", "caption": "half \\ud800"}', "source damaged"),
        (b'{"image": "folder/003.png", "caption": "a\\u0000b"}', "caption unreadable"),
        (b'{"image": "folder/003.png", "caption": "' + b"x" * 100_000 + b'"}', "caption length"),
        (b'{"image": "folder/003.png"}', "no caption"),
        (b'{"image": 3, "caption": "c"}', "image missing"),
        (b"[" * 100_000, "source damaged"),
        (b'{"image": "folder/003.png", "caption": "no line break at the end"}', None),
    ]
    (root / "m.jsonl").write_bytes(b"\n".join(line for line, _ in lines))
    for number, (_, reason) in enumerate(lines, 1):
        if reason:
            skip(reason, f"{root}/m.jsonl:{number}")
    (root / "m.csv").write_bytes(
        b'image,caption\nfolder/004.png,5" nails\nfolder/005.png,6" nails\nfolder/006.png,"a ""quoted""\nword"\nfolder/none.png,c\n'
        b'folder/007.png,caf\xe9\nfolder/007.png\nfolder/008.png,"no end\nfolder/009.png,lost\n')
    for line, reason in [(6, "image missing"), (7, "caption unreadable"), (8, "no caption"), (9, "source damaged")]:
        skip(reason, f"{root}/m.csv:{line}")

    members = [(f"{n}.{kind}", body) for n in range(4) for kind, body in [("png", image(3000 + n)), ("txt", b"archived %d" % n)]]
    whole = archive(root / "whole.tar", members)
    (root / "second.tar").write_bytes(whole)  # the same bytes again
    third = whole.index(b"3.png\0")  # where the last image's header begins
    for name, count in [("header", third + 100), ("body", third + 600), ("padding", third + 512 + len(image(3003)) + 20)]:
        (root / f"{name}.tar").write_bytes(whole[:count])
        skip("source damaged", root / f"{name}.tar")
        if name == "padding":
            skip("no caption", f"{root}/padding.tar:3")
    (root / "empty.tar").write_bytes(b"")
    skip("source damaged", root / "empty.tar")
    packed = zlib.compress(whole, wbits=31)
    (root / "packed.tar.gz").write_bytes(packed)
    (root / "cut.tgz").write_bytes(packed[: len(packed) // 2])
    skip("source damaged", root / "cut.tgz")
    archive(root / "none.tar", [])
    archive(root / "pairs.tar", [("a.txt", b"c"), ("b.png", good), ("c.png", image(4000)), ("c.png", image(4001)), ("c.txt", b"c")])
    skip("image missing", f"{root}/pairs.tar:a")
    skip("no caption", f"{root}/pairs.tar:b")
    skip("duplicate", f"{root}/pairs.tar:c")
    skip("no caption", lonely / "1.png")
    return skipped


def show(pairs):
    print("\n".join(sorted(f"{reason}\t{location}" for reason, location in pairs)))


if sys.argv[1] == "make":
    show(make(pathlib.Path(sys.argv[2])))
elif sys.argv[1] == "skipped":
    show((skip["reason"], skip["location"]) for skip in map(json.loads, open(sys.argv[2], encoding="utf-8")))
elif sys.argv[1] == "memory":
    code = subprocess.run(sys.argv[2:]).returncode
    print(f"memory {1024 * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss}")
    sys.exit(code)
