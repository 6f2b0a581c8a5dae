"""The sources: which packages and files they need, under which license, and what makes items of them."""

import dataclasses
from collections.abc import Callable

import drawings
import emoji
import icons


@dataclasses.dataclass
class Source:
    """`packages` are names with the paths that are unpacked, the same ones wherever a package is named; the images are those of the
    first one, under `license`."""

    name: str
    packages: dict
    license: str
    items: Callable


def theme(name, package, folder, style, license):
    return Source(name, {package: [f"usr/share/icons/{folder}"]}, license, lambda package: icons.items(package, folder, style))


UNICODE = {"unicode-data": ["usr/share/unicode/emoji"]}
ANNOTATIONS = {"unicode-cldr-core": ["usr/share/unicode/cldr/common/annotations/en.xml"]}
# In the order in which they are taken: of two images with the same pixels the first one is kept.
SOURCES = [
    Source("openclipart", {"openclipart-svg": ["usr/share/openclipart/svg"]}, "CC-PDDC", drawings.openclipart),
    Source("tuxpaint", {"tuxpaint-stamps-default": ["usr/share/tuxpaint/stamps"]}, "GPL-2.0-or-later", drawings.tuxpaint),
    Source("noto", {"fonts-noto-color-emoji": ["usr/share/fonts"], **UNICODE, **ANNOTATIONS}, "OFL-1.1", emoji.noto),
    Source("emojione", {"ruby-gemojione": ["usr/share/rubygems-integration/all/gems"], **UNICODE, **ANNOTATIONS}, "CC-BY-SA-4.0", emoji.emojione),
    Source("flags", {"iso-flags-svg": ["usr/share/iso-flags-svg"], "iso-codes": ["usr/share/iso-codes/json"]}, "LicenseRef-public-domain", drawings.flags),
    Source("wesnoth", {"wesnoth-1.16-data": ["usr/share/games/wesnoth/1.16/data/core"]}, "GPL-2.0-or-later", drawings.wesnoth),
    theme("tango", "tango-icon-theme", "Tango", "Tango", "LicenseRef-public-domain"),
    theme("gnome", "gnome-icon-theme", "gnome", "GNOME", "GPL-2.0-or-later"),
    theme("oxygen", "oxygen-icon-theme", "oxygen", "Oxygen", "LGPL-3.0-or-later"),
    theme("breeze", "breeze-icon-theme", "breeze", "Breeze", "LGPL-3.0-or-later"),
    theme("papirus", "papirus-icon-theme", "Papirus", "Papirus", "GPL-3.0-only"),
    theme("faenza", "faenza-icon-theme", "Faenza", "Faenza", "GPL-3.0-or-later"),
    theme("moka", "moka-icon-theme", "Moka", "Moka", "CC-BY-SA-4.0 OR GPL-3.0-or-later"),
    theme("faba", "faba-icon-theme", "Faba", "Faba", "CC-BY-SA-4.0 OR GPL-3.0-only"),
    theme("mate", "mate-icon-theme", "mate", "MATE", "LGPL-3.0-or-later OR CC-BY-SA"),
    theme("elementary", "elementary-icon-theme", "elementary", "elementary", "GPL-3.0-or-later"),
    theme("elementary-xfce", "elementary-xfce-icon-theme", "elementary-xfce", "elementary Xfce", "GPL-2.0-or-later"),
    theme("mint-y", "mint-y-icons", "Mint-Y", "Mint-Y", "CC-BY-SA-4.0"),
    theme("numix", "numix-icon-theme", "Numix", "Numix", "GPL-3.0-or-later"),
    theme("nuovo", "gnome-icon-theme-nuovo", "Nuovo", "Nuovo", "GPL-2.0-or-later"),
    theme("gartoon", "gnome-icon-theme-gartoon", "gartoon", "Gartoon", "GPL-2.0-or-later"),
    theme("yasis", "gnome-icon-theme-yasis", "yasis", "YASIS", "GPL-2.0-or-later"),
    theme("suede", "gnome-icon-theme-suede", "Suede", "Suede", "GPL-2.0-or-later"),
    theme("nuovext", "lxde-icon-theme", "nuoveXT2", "nuoveXT", "LGPL-3.0-or-later"),
    theme("yaru", "yaru-theme-icon", "Yaru", "Yaru", "CC-BY-SA-4.0"),
    theme("deepin", "deepin-icon-theme", "Vintage", "Deepin Vintage", "LGPL-3.0-or-later"),
]
