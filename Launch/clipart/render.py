"""One image: rendered or reduced to a size, and whether it is of use."""

import hashlib
import io
import os
import subprocess

from PIL import Image, ImageChops, ImageStat

# Below it, enlarged pixels are what one would learn.
SMALLEST = 48  # px
# Seconds for one file. Most take 0.1 s; a few have filters that take minutes at any size.
PATIENCE = 30
MEMORY = 2 << 30  # bytes; a damaged file may ask for any number
# Differences from white below it cannot be seen.
VISIBLE = 12
# Share of pixels that differ from white.
LEAST = 0.01
# Standard deviation of a channel over the opaque pixels: more than what smoothed edges of a symbol have.
FLAT = 6


class Unusable(Exception):
    """Why an image is dropped."""


def render(item, size, path):
    """Writes the image as PNG and returns the hash of its pixels on white."""
    data, image = load(item, size)
    check(image, item.symbols)
    white = on_white(image)
    # A PNG is moved to its place when it is whole.
    partial = f"{path}.partial"
    with open(partial, "wb") as file:
        file.write(data)
    os.rename(partial, path)
    return hashlib.sha256(b"%d %d " % white.size + white.tobytes()).hexdigest()[:32]


def load(item, size):
    data = item.data
    if data is None and item.file.endswith(".svg"):
        data = rasterize(item.file, size)
    elif data is None:
        with open(item.file, "rb") as file:
            data = file.read()
    try:
        source = Image.open(io.BytesIO(data))
        image = source.convert("RGBA")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as problem:
        raise Unusable("damaged image", str(problem).splitlines()[0].replace(str(io.BytesIO), "bytes")[:160]) from None
    longest = max(image.size)
    if longest > size:
        # Resized with premultiplied alpha: colors of transparent pixels do not bleed.
        image = image.resize([max(1, round(side * size / longest)) for side in image.size], Image.Resampling.LANCZOS)
    if longest > size or source.format != "PNG":
        output = io.BytesIO()
        image.save(output, "PNG")
        data = output.getvalue()
    if longest < SMALLEST:
        raise Unusable(f"smaller than {SMALLEST} px", f"{image.width} x {image.height}")
    return data, image


def rasterize(path, size):
    command = ["prlimit", f"--as={MEMORY}", "rsvg-convert", "--keep-aspect-ratio", f"--width={size}", f"--height={size}", path]
    try:
        result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        raise Unusable("damaged SVG", f"not rendered after {PATIENCE} s") from None
    if result.returncode or not result.stdout:
        text = result.stderr.decode(errors="replace").replace(path, "").strip().splitlines()
        raise Unusable("damaged SVG", text[0][:160] if text else f"rsvg-convert ended with {result.returncode}")
    return result.stdout


def on_white(image):
    white = Image.new("RGBA", image.size, "white")
    white.alpha_composite(image)
    return white.convert("RGB")


def check(image, symbols):
    white = on_white(image)
    low, high = zip(*white.getextrema())
    if low == high and low != (255, 255, 255):
        raise Unusable("one color alone")
    # The largest difference of the channels: yellow is far from white in blue alone.
    channels = ImageChops.difference(white, Image.new("RGB", image.size, "white")).split()
    difference = ImageChops.lighter(ImageChops.lighter(channels[0], channels[1]), channels[2])
    seen = sum(difference.histogram()[VISIBLE:]) / (image.width * image.height)
    if seen < LEAST:
        raise Unusable("almost nothing to see on white")
    if symbols:
        opaque = image.getchannel("A").point(lambda alpha: 255 if alpha > 200 else 0)
        if not opaque.getbbox() or max(ImageStat.Stat(image, opaque).stddev[:3]) < FLAT:
            raise Unusable("a symbol of one color")
