"""Icon themes: the largest file of each icon, with the names that link to it."""

import collections
import os
import re

import captions
from item import Item

CONTEXTS = {
    "mimes": "mimetypes", "filesystems": "places", "applications": "apps", "notifications": "status", **{name: name for name in captions.CONTEXTS},
}
# First words of applications' icons that are no product's name.
GENERAL = set(
    """accessories address alarm archive audio book books browser calculator calendar camera chess clock color config contacts desktop dictionary disk
    document draw education email file font fonts game games graphics help im image input internet key keyboard log mail map maps media microphone mouse
    multimedia music network news note notes office package paint partition password phone photo photos preferences printer radio scanner science screenshot
    sound system terminal text time update user users utilities video wallpaper weather window""".split())
PRODUCT = "an application's name, which says nothing of the image"
# A drawing of less is an icon for a panel: a few lines that mean nothing at 256 px.
SMALLEST_DRAWING = 32


def items(package, theme, style):
    """The theme's icons, and icons that are dropped as (icon, reason)."""
    root = os.path.realpath(package.path(f"usr/share/icons/{theme}"))
    best, names, dropped = {}, collections.defaultdict(set), {}
    for path in images(root):
        key = icon(path, root)
        reason = unwanted(path, root, key)
        if os.path.islink(path):
            target = os.path.realpath(path)
            if reason is None and os.path.isfile(target) and target.startswith(root + os.sep):
                names[icon(target, root)].add(key[1])
            elif reason is None:
                dropped[key] = "a link to a file that is not in the package"
        elif reason is None:
            rank = (path.endswith(".svg"), size(path, root))
            if key not in best or rank > best[key][0]:
                best[key] = (rank, path)
        else:
            dropped[key] = reason
    found = []
    for (context, name), (_, path) in sorted(best.items()):
        # `org.gnome.Maps` and `yast-mouse` are products that have this icon.
        aliases = sorted(alias for alias in names[context, name] - {name} if not re.match(r"(org|com|net|io|yast)[._-]", alias))
        texts = [name, *aliases]
        if context == "apps":
            texts = [text for text in texts if is_general(text)]
        if not texts:
            dropped[context, name] = PRODUCT
            continue
        text = captions.icon([captions.icon_name(text, context) for text in texts], context, style)
        found.append(Item(f"{context}/{name}", text, file=path, symbols=True))
    # An icon of which one size is of use is not dropped.
    dropped = {key: reason for key, reason in dropped.items() if key not in best or reason == PRODUCT}
    return found, [(f"{root}/{context}/{name}", reason) for (context, name), reason in sorted(dropped.items())]


def is_general(name):
    words = re.split(r"[-_]", captions.PREFIXES.sub("", name))
    return words[0] in GENERAL or words[:2] == ["web", "browser"]


def images(root):
    for folder, folders, files in os.walk(root):
        folders.sort()
        for name in sorted(files):
            if name.endswith((".svg", ".png")):
                yield os.path.join(folder, name)


def icon(path, root):
    """Context and name of an icon."""
    parts = os.path.relpath(path, root).split(os.sep)
    folders = [part.split("@")[0] for part in parts[:-1]]
    context = next((CONTEXTS[folder] for folder in folders if folder in CONTEXTS), folders[-1] if folders else "")
    return context, os.path.splitext(parts[-1])[0]


def size(path, root):
    """Pixels that the icon is made for."""
    for part in os.path.relpath(path, root).split(os.sep)[:-1]:
        match = re.match(r"(\d+)(?:x\d+)?(?:@(\d)x?)?$", part)
        if match:
            return int(match[1]) * int(match[2] or 1)
    return 512 if re.search(r"/scalable(@\dx)?/", path) else 32


def unwanted(path, root, key):
    context, name = key
    if "symbolic" in path[len(root):]:
        return "a symbolic icon"
    if context not in captions.CONTEXTS:
        return "of a folder whose icons are no images of things"
    if size(path, root) < SMALLEST_DRAWING:
        return f"made for less than {SMALLEST_DRAWING} px"
    if "logo" in name:
        return "a product's logo"
    return None
