"""Captions from what packages say about their images: titles, keywords, names of files and folders."""

import html
import re

# As many names of one image as become captions; the file type of a plain sheet of paper has a hundred.
MOST_NAMES = 8
# Colors that names of folders have in one word.
SHADES, HUES = ("dark", "deep", "pale", "light"), ("cyan", "orange", "brown", "blue", "green", "red")
COLORS = {f"{shade}{hue}": f"{shade} {hue}" for shade in SHADES for hue in HUES}
COLORS["bluegrey"] = "blue grey"


def clean(text):
    """On one line, with entities decoded and without underscores."""
    return " ".join(html.unescape(text).replace("_", " ").split())


def unique(captions):
    """In order, without empty ones and repetitions in another case."""
    seen = {}
    for caption in captions:
        caption = clean(caption).strip(" ,;-")
        if sum(character.isalnum() for character in caption) >= 2:
            seen.setdefault(caption.lower(), caption)
    return list(seen.values())


def words(name):
    """`CD_Player-large` as `cd player large`."""
    name = re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", " ", name)
    # The plus of `svg+xml` separates, those of `c++` do not.
    return " ".join(re.split(r"[-_.@~\s]+|(?<!\+)\+(?!\+)", name)).strip().lower()


def unnumbered(name):
    """Without a number behind it: `tree_02`, `flower7`."""
    return re.sub(r"(?<=[A-Za-z])[-_ ]*\d+$", "", name)


def unsigned(name, author):
    """A file's name without the beginning of its author's name and the number from 01, with which Open Clip Art's names end."""
    name = re.sub(r"[_-]+(0\d*)?[_-]*$", "", name)
    author = re.sub(r"\W+", "_", author.lower())
    for match in re.finditer(r"[_-]", name):
        tail = re.sub(r"\W+", "_", name[match.end():].lower())
        if len(tail) >= 3 and author.startswith(tail):
            return name[: match.start()]
    return name


# Titles that drawing programs and the library set, and those that have neither two letters nor a word.
NO_TITLE = re.compile(
    r"(untitled|unnamed|new document|document|drawing|path|layer|svg|image|picture|clip ?art|open clip ?art( library)?|no title|unsorted"
    r"|title|.*\.(svg|ai|eps|png)|\W*\d*\W*)\s*\d*", re.I)
# Keywords about the library instead of the image.
NO_KEYWORD = re.compile(
    r"(unsorted|duplicates|clip ?art|open ?clip ?art|externalsource|svg|png|special|examples|hash|miscellany|new|unknown|.|\d+)", re.I)


def title(text):
    """A work's title; empty where it names nothing."""
    text = clean(text)
    text = re.sub(r"^clip ?art by [^-]+ - ", "", text, flags=re.I)
    text = re.sub(r"\s+by\s+[A-Z].*$", "", text)
    if " " not in text:
        text = unnumbered(text).replace("-", " ")
    text = re.sub(r" 0\d$", "", text)
    return "" if NO_TITLE.fullmatch(text) else text


def keywords(texts, author):
    """Without those about the library, the author's names, words of one letter and sentences."""
    names = {author.lower(), *re.split(r"\W+", author.lower())}
    return [text for text in unique(texts) if len(text) <= 40 and not NO_KEYWORD.fullmatch(text) and text.lower() not in names]


def drawing(title, description, keywords):
    """Captions of a drawing: what it shows, as clip art, and with its keywords."""
    # A capital at the start of a sentence; titles with more of them have names.
    inner = title.lower() if title[1:].islower() else title
    captions = [title, f"clip art of {inner}"]
    # Neither addresses nor the name of the collection, which some authors gave as the description.
    if 3 <= len(description) <= 250 and not re.search(r"://|@|^part of ", description, re.I):
        captions.append(description)
    extra = [keyword for keyword in keywords if keyword.lower() not in title.lower()][:8]
    if extra:
        captions.append(", ".join([title, *extra]))
    return unique(captions)


PREFIXES = re.compile(r"^(gtk-|stock[-_]|gnome-(fs|dev|mime|stock)-|gnome-|xfce4?-|kde-|cs-|redhat-|novell-|mate-)+")
CONTEXTS = {
    "actions": "action", "categories": "category", "devices": "device", "emblems": "emblem", "emotes": "emotion", "mimetypes": "file type",
    "places": "place", "preferences": "settings", "status": "status", "apps": "application", "stock": "toolbar",
}


def icon_name(name, context):
    """What an icon's name says: `folder-red-music` as `red music folder`, `text-x-python` as `python text file`."""
    name = PREFIXES.sub("", name)
    if context == "mimetypes":
        return file_type(name)
    text = " ".join(COLORS.get(word, word) for word in words(name).split()).removeprefix("x ")
    if context in ("apps", "categories"):
        text = re.sub(r"^(accessories|applications|applets|utilities) (?=.)", "", text)
    if text.startswith("preferences "):
        text = text.removeprefix("preferences ") + " settings"
    if context == "places":
        # `pink folder books`, with a color before it
        text = re.sub(r"^(\w+) folder (?=.)", r"folder \1 ", text)
    if context == "places" and text.startswith("folder "):
        # An open folder is a folder in a state.
        rest = text.removeprefix("folder ")
        return f"open {rest.removesuffix(' open')} folder" if rest.endswith(" open") else f"{rest} folder"
    if context == "emblems":
        text = text.removeprefix("emblem ") + " emblem"
    if context == "emotes" and text.startswith("face "):
        text = text.removeprefix("face ") + " face"
    return text


KINDS = {**{kind: kind for kind in ("audio", "font", "image", "text", "video", "message", "package")}, "application": ""}
LANGUAGES = {f"{name}{short}": f"{name} {long}" for name in ("c", "c++", "obj") for short, long in (("src", "source"), ("hdr", "header"))}


def file_type(name):
    for kind, noun in KINDS.items():
        if name.startswith(kind + "-"):
            parts = [LANGUAGES.get(word, word) for word in words(name[len(kind) + 1:]).split() if word not in ("x", "vnd", "generic")]
            return " ".join([*(word for word in parts if word != noun), *([noun] if noun else []), "file"])
    parts = [word for word in words(name).split() if word not in ("x", "vnd", "content")]
    text = " ".join(parts)
    return text if re.search(r"\b(file|folder|directory|document|cd|dvd|disc|disk|card|player)\b", text) else f"{text} file"


def icon(names, context, style):
    """Captions of an icon: its name, its name with style and with its context, and further names that themes link to it."""
    names = unique(names)
    if not names:
        return []
    noun = CONTEXTS[context]
    kind = "icon" if names[0].endswith(noun) else f"{noun} icon"
    return unique([names[0], f"an icon of {names[0]} in the style of {style}", f"{names[0]}, {kind}", *names[1:MOST_NAMES]])


def article(noun):
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"


def styled(name, kind, style, keywords=()):
    """Captions of an emoji, a flag, a sprite: its name, its name with style, its name with keywords."""
    extra = [word for word in keywords if word.lower() not in name.lower()][:8]
    return unique([name, f"{article(kind)} of {name} in the style of {style}", ", ".join([name, *extra])])
