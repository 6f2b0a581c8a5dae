"""Open Clip Art's drawings, Tux Paint's stamps, flags, and the sprites of The Battle for Wesnoth."""

import collections
import json
import os
import re

import captions
from item import Item


def files(root, suffixes):
    for folder, folders, names in os.walk(root):
        folders.sort()
        yield from (os.path.join(folder, name) for name in sorted(names) if name.endswith(suffixes))


# Creative Commons' public domain dedication, of which the package's copyright file is a copy; two files name another license.
LICENSES = {"PublicDomain": "CC-PDDC", "publicdomain/": "CC-PDDC", "GPL/2.0/": "GPL-2.0-only"}
# A title that as many files have is that of their set: `AIGA Symbol Signs`, `card`.
SET = 5


def openclipart(package):
    root = os.path.realpath(package.path("usr/share/openclipart/svg"))
    found, links = {}, {}
    for path in files(root, ".svg"):
        if os.path.islink(path):
            links.setdefault(os.path.realpath(path), []).append(path)
        else:
            found[path] = None
    dropped = [(link, "a link to a file that is not in the package") for target in links if target not in found for link in links[target]]
    for path in found:
        with open(path, "rb") as file:
            found[path] = metadata(file.read().decode("utf-8", "replace"))
    uses = collections.Counter(captions.title(work[0]).lower() for work in found.values())
    items = []
    for path, (title, description, words, author, license) in found.items():
        if title == "gramastar":
            dropped.append((path, "one of 1,375 rings of lines that a formula made"))
            continue
        title, stem = captions.title(title), captions.unsigned(os.path.splitext(os.path.basename(path))[0], author)
        folders = [word for place in [path, *links.get(path, [])] for word in os.path.relpath(os.path.dirname(place), root).split(os.sep)]
        if not title:
            title = captions.words(captions.unnumbered(stem))
        elif uses[title.lower()] >= SET and re.search(r"[^\W\d_]{3}", stem):
            # The set's title is one of the keywords; the number tells the cards of a game apart.
            words = [title, *words]
            title = captions.words(stem)
        words = captions.keywords([*words, *map(captions.words, folders)], author)
        text = captions.drawing(title, captions.clean(description), words) if re.search(r"[^\W\d_]{2}", title) else []
        if text:
            name = os.path.splitext(os.path.relpath(path, root))[0]
            items.append(Item(name, text, file=path, author=author or None, title=title, license=LICENSES.get(license)))
        else:
            dropped.append((path, "no caption: neither title nor file name has a word"))
    return items, dropped


def metadata(text):
    """Title, description, keywords, author and license of an SVG; by patterns, because damaged files have them, too."""
    work = re.search(r"<(?:cc:)?Work\b.*?</(?:cc:)?Work>", text, re.S)
    work = work[0] if work else ""

    def value(pattern, text):
        match = re.search(pattern, text, re.S)
        return captions.clean(re.sub(r"<[^>]*>", " ", match[1])) if match else ""

    creator = re.search(r"<dc:creator>(.*?)</dc:creator>", work, re.S)
    # Agents have titles, too: their names.
    own = re.sub(r"<(cc:)?Agent\b.*?</(cc:)?Agent>", "", work, flags=re.S)
    subject = re.search(r"<dc:subject>(.*?)</dc:subject>", own, re.S)
    return (
        value(r"<dc:title>(.*?)</dc:title>", own), value(r"<dc:description>(.*?)</dc:description>", own),
        re.findall(r"<rdf:li>([^<]*)</rdf:li>", subject[1]) if subject else [],
        value(r"<dc:title>(.*?)</dc:title>", creator[1]) if creator else "",
        value(r'<cc:license\s+rdf:resource="[^"]*/(PublicDomain|publicdomain/|GPL/2.0/)"', own),
    )


def tuxpaint(package):
    root = package.path("usr/share/tuxpaint/stamps")
    found, dropped = {}, []
    for path in files(root, (".png", ".svg")):
        # The SVG comes last, and is the larger one.
        found[os.path.splitext(path)[0]] = path
    items = []
    for base, path in found.items():
        sentence = ""
        if os.path.exists(base + ".txt"):
            with open(base + ".txt", encoding="utf-8", errors="replace") as file:
                sentence = captions.clean(file.readline())
        if not sentence:
            dropped.append((path, "no caption: no text beside it"))
            continue
        plain = sentence.rstrip(".!")
        lower = plain[:1].lower() + plain[1:] if re.match(r"(A|An|The|Some)\s", plain) else plain
        folders = [captions.words(word) for word in reversed(os.path.relpath(os.path.dirname(path), root).split(os.sep))]
        text = captions.unique([sentence, f"{lower}, {', '.join(folders)}", f"a stamp of {lower} in the style of Tux Paint"])
        items.append(Item(os.path.relpath(base, root), text, file=path, title=sentence))
    return items, dropped


def flags(package, codes):
    with open(codes.path("usr/share/iso-codes/json/iso_3166-1.json"), encoding="utf-8") as file:
        names = {country["alpha_2"].lower(): country.get("common_name") or country["name"] for country in json.load(file)["3166-1"]}
    root = package.path("usr/share/iso-flags-svg/country-4x3")
    items, dropped = [], []
    for path in files(root, ".svg"):
        code = os.path.splitext(os.path.basename(path))[0]
        # `_wales` is not in ISO 3166.
        name = names.get(code) or (captions.words(code).title() if code.startswith("_") else None)
        if name:
            items.append(Item(code.strip("_"), captions.unique([f"flag of {name}", f"the flag of {name}"]), file=path, title=name))
        else:
            dropped.append((path, "no country of this code in ISO 3166"))
    return items, dropped


def wesnoth(package):
    """Units with the names of the game's rules, and portraits, items, scenery and attacks with those of their files."""
    data = package.path("usr/share/games/wesnoth/1.16/data/core")
    images = os.path.join(data, "images")
    names = {}
    for path in files(os.path.join(data, "units"), ".cfg"):
        with open(path, encoding="utf-8", errors="replace") as file:
            for image, name, race in units(file):
                names.setdefault(image, (name, race))
    items, dropped = [], []
    for path in files(images, ".png"):
        place = os.path.relpath(path, images)
        kind, stem = place.split(os.sep)[0], os.path.splitext(os.path.basename(path))[0]
        folders = [captions.words(word) for word in reversed(place.split(os.sep)[1:-1])]
        if kind == "units":
            if place not in names:
                dropped.append((path, "a frame of an animation"))
                continue
            name, race = names[place]
            text = captions.styled(name, "sprite", "Wesnoth", [race])
        elif kind in ("portraits", "items", "scenery", "attacks"):
            name = captions.words(captions.unnumbered(stem))
            noun = {"portraits": "portrait", "attacks": "icon"}.get(kind, "sprite")
            text = captions.styled(name, noun, "Wesnoth", folders or [kind])
        else:
            dropped.append((path, "a part of the game that is no image of a thing"))
            continue
        items.append(Item(os.path.splitext(place)[0], text, file=path, title=name))
    return items, dropped


def units(lines):
    """Image, name and race of each unit, from the game's rules; attacks and animations within it have images and names, too."""
    tags, name, race = [], None, ""
    for line in lines:
        line = line.strip()
        tag = re.fullmatch(r"\[([/+]?)(\w+)\]", line)
        if tag and tag[1] == "/":
            if tags:
                tags.pop()
        elif tag:
            tags.append(tag[2])
            if tag[2] == "unit_type":
                name, race = None, ""
        elif tags and tags[-1] in ("unit_type", "male", "female", "variation"):
            value = re.match(r'(name|race|image)\s*=\s*(_?)\s*"?([^"~]+)', line)
            if value and value[1] == "name" and value[2]:
                name = re.sub(r"^\w+\^", "", value[3]).strip().lower()
                name = f"female {name}" if "female" in tags else name
            elif value and value[1] == "race":
                race = value[3].strip()
            elif value and value[1] == "image" and name:
                yield value[3].strip(), name, race
