"""Which items of a data set are held out from training: a function of their names and a number alone."""

import zlib
from collections.abc import Sequence

FEWEST = 30
"""Of fewer items none is held out: the parts would be of one or two."""


def parts_of(keys: Sequence[str], wanted: Sequence[str], share: float, seed: int) -> dict[str, str]:
    """The part, one of ``wanted``, of each item that is held out.

    Items of one key are in one part, and a set that grows keeps its parts: each item goes by its own key alone. Each
    part has one item at least.

    Args:
        keys: Of all items.
        wanted: Names of the parts.
        share: Of the items in each part.
        seed: Other numbers give other parts.
    """
    if len(keys) < FEWEST or not share:
        return {}
    places = {key: zlib.crc32(f"{seed}:{key}".encode("utf-8", "surrogatepass")) / 2**32 for key in keys}
    parts: dict[str, str] = {}
    for number, part in enumerate(wanted):
        own = [key for key, place in places.items() if number * share <= place < (number + 1) * share]
        nearest = sorted((key for key in places if key not in parts), key=lambda key: places[key])
        parts |= dict.fromkeys(own or nearest[:1], part)
    return parts if len(parts) < len(places) else {}
