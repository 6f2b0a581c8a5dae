"""Small pictures of the kinds that datasets hold, each with one color per quarter: red, green / blue, and a fourth that
tells what the reader must do with it. Needs Pillow. Writes Tests/Goldens/pictures/."""
import pathlib
import struct
import zlib

from PIL import Image, ImageCms

folder = pathlib.Path(__file__).parent / "pictures"
folder.mkdir(exist_ok=True)
RED, GREEN, BLUE, YELLOW = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)


def quarters(mode="RGB", colors=(RED, GREEN, BLUE, YELLOW), width=32, height=16):
    picture = Image.new(mode, (width, height))
    for index, color in enumerate(colors):
        x, y = index % 2 * width // 2, index // 2 * height // 2
        picture.paste(color, (x, y, x + width // 2, y + height // 2))
    return picture


quarters().save(folder / "plain.png")
# Orientation 6: turn a quarter to the right to look at it.
exif = Image.Exif()
exif[0x0112] = 6
quarters().save(folder / "turned.jpg", exif=exif, quality=95, subsampling=0)
# The fourth quarter is see-through, the third half so.
quarters("RGBA", [(*RED, 255), (*GREEN, 255), (*BLUE, 128), (*YELLOW, 0)]).save(folder / "alpha.png")
palette = quarters().convert("P", palette=Image.Palette.ADAPTIVE, colors=4)
palette.save(folder / "palette.png", transparency=palette.getpixel((31, 15)))
quarters("L", [0, 85, 170, 255]).save(folder / "grey.jpg", quality=95)
quarters("CMYK", [(0, 255, 255, 0), (255, 0, 255, 0), (255, 255, 0, 0), (0, 0, 0, 0)]).save(folder / "cmyk.jpg", quality=95)
quarters().save(folder / "animated.gif", save_all=True, append_images=[Image.new("RGB", (32, 16))], duration=100)

# Smooth and sharp, larger than what is asked for; alone, with a profile that says sRGB, and with one that exchanges red and green.
large = Image.new("RGB", (400, 272))
large.putdata([(x * 255 // 400, y * 255 // 272, 255 if (x // 40 + y // 40) % 2 else 40) for y in range(272) for x in range(400)])
large.save(folder / "large.jpg", quality=80)
srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
swapped = bytearray(srgb)
for entry in range(132, 132 + 12 * struct.unpack_from(">I", srgb, 128)[0], 12):
    for one, other in [(b"rXYZ", b"gXYZ"), (b"gXYZ", b"rXYZ")]:
        if srgb[entry : entry + 4] == one:
            swapped[entry : entry + 4] = other
swapped = bytes(swapped).replace("sRGB".encode("utf-16-be"), "none".encode("utf-16-be")).replace(b"sRGB", b"none")
large.save(folder / "large-srgb.jpg", quality=80, icc_profile=srgb)
large.save(folder / "large-swapped.jpg", quality=80, icc_profile=swapped)


def png16(path, pixels, width, height, profile=None):
    """A 16-bit RGBA PNG, which Pillow cannot write."""
    rows = b"".join(b"\0" + b"".join(struct.pack(">4H", *p) for p in pixels[y * width:(y + 1) * width]) for y in range(height))
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    header = struct.pack(">IIBBBBB", width, height, 16, 6, 0, 0, 0)
    color = chunk(b"iCCP", b"profile\0\0" + zlib.compress(profile)) if profile else b""
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + color + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


full = 65535
pixels = [
    ((full, 0, 0, full) if x < 16 else (0, full, 0, full)) if y < 8 else ((0, 0, full, 32896) if x < 16 else (0, 0, 0, 0))
    for y in range(16) for x in range(32)
]
png16(folder / "deep.png", pixels, 32, 16)
png16(folder / "deep-swapped.png", pixels, 32, 16, swapped)


def grey_profile():
    """The smallest profile for grey with a gamma of 2.2 (ICC.1:2001)."""
    white = struct.pack(">3i", 63190, 65536, 54061)
    tags = [
        (b"desc", b"desc\0\0\0\0" + struct.pack(">I", 5) + b"grey\0" + bytes(79)),
        (b"wtpt", b"XYZ \0\0\0\0" + white),
        (b"kTRC", b"curv\0\0\0\0" + struct.pack(">IH", 1, int(2.2 * 256)) + bytes(2)),
        (b"cprt", b"text\0\0\0\0none" + bytes(4)),
    ]
    table, body = struct.pack(">I", len(tags)), b""
    for name, data in tags:
        table += name + struct.pack(">II", 132 + 12 * len(tags) + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    size = 128 + len(table) + len(body)
    head = struct.pack(">I4sI4s4s4s6H4s28x", size, b"none", 0x02100000, b"mntr", b"GRAY", b"XYZ ", 2026, 1, 1, 0, 0, 0, b"acsp")
    return (head + white).ljust(128, b"\0") + table + body


# Profiles for another number of colors than the image has.
quarters().save(folder / "rgb-grey-profile.jpg", quality=95, subsampling=0, icc_profile=grey_profile())
inks = [(0, 255, 255, 0), (255, 0, 255, 0), (255, 255, 0, 0), (0, 0, 0, 0)]
quarters("CMYK", inks).save(folder / "cmyk-grey-profile.jpg", quality=95, icc_profile=grey_profile())

# A TIFF of floats from 0 to 1, which Pillow cannot write: one strip, three samples a pixel (TIFF 6.0, section 8 and "SampleFormat").
floats = struct.pack("<1536f", *(band / 255 for pixel in quarters().get_flattened_data() for band in pixel))
entries = [(256, 3, 1, 32), (257, 3, 1, 16), (258, 3, 3, 134), (259, 3, 1, 1), (262, 3, 1, 2), (273, 4, 1, 146), (277, 3, 1, 3),
           (278, 3, 1, 16), (279, 4, 1, len(floats)), (339, 3, 3, 140)]
directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries) + bytes(4)
(folder / "float.tif").write_bytes(b"II*\0" + struct.pack("<I", 8) + directory + struct.pack("<6H", 32, 32, 32, 3, 3, 3) + floats)

data = (folder / "plain.png").read_bytes()
(folder / "cut.png").write_bytes(data[: len(data) // 2])
# A header alone that claims 40,000 x 40,000 pixels.
huge = struct.pack(">IIBBBBB", 40000, 40000, 8, 2, 0, 0, 0)
chunk = struct.pack(">I", 13) + b"IHDR" + huge + struct.pack(">I", zlib.crc32(b"IHDR" + huge))
body = zlib.compress(b"\0" * 100)
idat = struct.pack(">I", len(body)) + b"IDAT" + body + struct.pack(">I", zlib.crc32(b"IDAT" + body))
(folder / "huge.png").write_bytes(data[:8] + chunk + idat)
