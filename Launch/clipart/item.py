"""An image of a source, before it is rendered."""

import dataclasses


@dataclasses.dataclass
class Item:
    """A file, or data that is a PNG, with its captions; `symbols` drops it if it has one color alone."""

    name: str
    captions: list
    file: str = None
    data: bytes = None
    symbols: bool = False
    author: str = None
    title: str = None
    license: str = None
