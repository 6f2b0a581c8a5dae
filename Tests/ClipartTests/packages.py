"""Makes trees of small packages for dpkg-deb, with what Debian's have: links, duplicates, symbols, damage, missing captions.

usage: packages.py FOLDER
"""
import os
import sys

from PIL import Image, ImageDraw

root = sys.argv[1]


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def package(folder, name, version):
    tree = os.path.join(root, folder)
    write(f"{tree}/DEBIAN/control", f"Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: none <none@none>\nDescription: test\n")
    write(f"{tree}/usr/share/doc/{name}/copyright", f"The license of {name}\n")
    return tree


def svg(colors, metadata="", size=48):
    shapes = "".join(f'<rect x="{2 + 12 * i}" y="4" width="12" height="40" fill="{color}"/>' for i, color in enumerate(colors))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:dc="http://purl.org/dc/elements/1.1/" '
        f'xmlns:cc="http://web.resource.org/cc/" width="{size}" height="{size}" viewBox="0 0 48 48"><metadata>{metadata}</metadata>{shapes}</svg>'
    )


def work(title, description, keywords, author):
    words = "".join(f"<rdf:li>{word}</rdf:li>" for word in keywords)
    return (
        f"<rdf:RDF><cc:Work rdf:about=''><dc:title>{title}</dc:title><dc:description>{description}</dc:description>"
        f"<dc:subject><rdf:Bag>{words}</rdf:Bag></dc:subject><dc:creator><cc:Agent><dc:title>{author}</dc:title></cc:Agent></dc:creator>"
        "<cc:license rdf:resource='http://web.resource.org/cc/PublicDomain'/></cc:Work></rdf:RDF>"
    )


tree = package("openclipart", "openclipart-svg", "1:0.18-1")
clips = f"{tree}/usr/share/openclipart/svg"
write(f"{clips}/animals/cat_ann_exam_01.svg", svg(["red", "blue"], work("", "", ["unsorted", ""], "Ann Example")))
write(f"{clips}/food/cone_02.svg", svg(["green", "tan"], work("Ice Cream &amp; Cone", "A cone with two scoops", ["dessert", "clip art"], "Bo")))
write(f"{clips}/unsorted/01.svg", svg(["navy", "gold"], work("Untitled", "", [], "")))

tree = package("tuxpaint", "tuxpaint-stamps-default", "2022-1")
stamps = f"{tree}/usr/share/tuxpaint/stamps"
os.makedirs(f"{stamps}/animals/birds")
for name, color in ("owl", "brown"), ("owl_mirror", "red"), ("tiny", "blue"):
    side = 20 if name == "tiny" else 80
    image = Image.new("RGBA", (side, side))
    ImageDraw.Draw(image).ellipse((2, 2, side - 8, side - 4), fill=color)
    image.save(f"{stamps}/animals/birds/{name}.png")
write(f"{stamps}/animals/birds/owl.txt", "An owl.\nde.utf8=Eine Eule.\n")
write(f"{stamps}/animals/birds/tiny.txt", "A tiny bird.\n")

tree = package("tango", "tango-icon-theme", "0.8-1")
icons = f"{tree}/usr/share/icons/Tango"
write(f"{icons}/scalable/places/folder-red-music.svg", svg(["red", "black"]))
write(f"{icons}/48x48/places/folder-red-music.svg", svg(["gray", "black"])) # the larger one is taken
write(f"{icons}/scalable/mimetypes/text-x-python.svg", svg(["yellow", "blue"]))
write(f"{icons}/scalable/apps/firefox.svg", svg(["orange", "purple"]))
write(f"{icons}/scalable/apps/term.svg", svg(["black", "lime"]))
write(f"{icons}/scalable/actions/document-save.svg", svg(["pink", "teal"]))
write(f"{icons}/scalable/actions/filesave.svg", svg(["pink", "teal"])) # the same pixels
write(f"{icons}/scalable/actions/edit-cut.svg", svg(["red", "lime", "blue"])[:-40]) # damaged
write(f"{icons}/scalable/actions/go-up.svg", svg(["black"])) # one color
write(f"{icons}/scalable/actions/go-down.svg", svg(["white", "white"])) # nothing to see
write(f"{icons}/16x16/actions/go-left.svg", svg(["red", "blue"], size=16))
write(f"{icons}/scalable/actions/view-symbolic.svg", svg(["red", "blue"]))
write(f"{icons}/scalable/animations/process-working.svg", svg(["red", "blue"]))
write(f"{icons}/scalable/devices/printer.svg", svg(["silver", "maroon", "olive"]))
for link, target in (
    ("places/user-songs.svg", "folder-red-music.svg"), ("mimetypes/application-x-python.svg", "text-x-python.svg"),
    ("apps/utilities-terminal.svg", "term.svg"), ("places/gone.svg", "nothing.svg"),
):
    os.symlink(target, f"{icons}/scalable/{link}")
