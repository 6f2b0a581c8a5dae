"""Emoji: the bitmaps of Noto's font and EmojiOne's images, with the names and keywords of Unicode."""

import json
import os
import re
import xml.etree.ElementTree

import captions
from fontTools.ttLib import TTFont
from item import Item

VARIATION = 0xFE0F  # asks for an image instead of a glyph of text


def sequences(unicode_data):
    """The name of each emoji by its code points, without the variation selector, in Unicode's order."""
    found = {}
    with open(unicode_data.path("usr/share/unicode/emoji/emoji-test.txt"), encoding="utf-8") as file:
        for line in file:
            match = re.match(r"([0-9A-F ]+?)\s*; fully-qualified\s+# \S+ E[\d.]+ (.*)", line)
            if match:
                found[tuple(int(code, 16) for code in match[1].split() if int(code, 16) != VARIATION)] = match[2].strip()
    return found


def annotations(cldr):
    """The keywords of each emoji by its code points."""
    found = {}
    for element in xml.etree.ElementTree.parse(cldr.path("usr/share/unicode/cldr/common/annotations/en.xml")).iter("annotation"):
        if element.get("type") is None:
            codes = tuple(ord(character) for character in element.get("cp") if ord(character) != VARIATION)
            found[codes] = [word.strip() for word in element.text.split("|")]
    return found


def noto(font_package, unicode_data, cldr):
    font = TTFont(font_package.path("usr/share/fonts/truetype/noto/NotoColorEmoji.ttf"))
    bitmaps, glyphs, ligatures = font["CBDT"].strikeData[0], font.getBestCmap(), {}
    for lookup in font["GSUB"].table.LookupList.Lookup:
        for table in lookup.SubTable:
            for first, rest in getattr(table, "ligatures", {}).items():
                for ligature in rest:
                    ligatures.setdefault((first, *ligature.Component), ligature.LigGlyph)
    found, dropped, keywords = [], [], annotations(cldr)
    for codes, name in sequences(unicode_data).items():
        parts = tuple(glyphs.get(code) for code in codes)
        glyph = parts[0] if len(parts) == 1 else ligatures.get(parts)
        key = "-".join(f"{code:04x}" for code in codes)
        if glyph not in bitmaps:
            dropped.append((key, "the font has no image of it"))
        else:
            text = captions.styled(name, "emoji", "Noto", keywords.get(codes, []))
            found.append(Item(key, text, data=bytes(bitmaps[glyph].imageData), title=name))
    return found, dropped


def emojione(package, unicode_data, cldr):
    root = package.path("usr/share/rubygems-integration/all/gems/gemojione-3.3.0")
    with open(os.path.join(root, "config/index.json"), encoding="utf-8") as file:
        index = {emoji["unicode"].upper(): emoji for emoji in json.load(file).values()}
    names, keywords, found, dropped = sequences(unicode_data), annotations(cldr), [], []
    folder = os.path.join(root, "assets/svg")
    for file in sorted(os.listdir(folder)):
        key = os.path.splitext(file)[0].upper()
        emoji = index.get(key)
        codes = tuple(int(code, 16) for code in key.split("-") if int(code, 16) != VARIATION)
        name = names.get(codes) or (emoji["name"] if emoji else None)
        if not name:
            dropped.append((os.path.join(folder, file), "no name in the package and in Unicode"))
            continue
        # The package has keywords, too, of which many name what the emoji is used for instead of what it shows.
        text = captions.styled(name, "emoji", "EmojiOne", keywords.get(codes, []))
        found.append(Item(key.lower(), text, file=os.path.join(folder, file), title=name))
    return found, dropped
