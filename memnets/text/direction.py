"""Lines written from the right: from the order of a text to the order on the page, left to right, and back.

Texts are kept in logical order, as they are typed and spoken. A reader goes over columns from the left. For Hebrew,
Arabic and lines that mix them with digits or Latin the two orders differ.
"""

import unicodedata

RIGHT_TO_LEFT = ("R", "AL")
"""Bidirectional classes of letters written from the right: Hebrew and its like, Arabic and its like."""

_MIRRORED = str.maketrans("()[]{}<>«»\u2039\u203a≤≥", ")(][}{><»«\u203a\u2039≥≤")


def has_right_to_left(text: str) -> bool:
    """Whether any letter of a text is written from the right."""
    return not text.isascii() and any(unicodedata.bidirectional(character) in RIGHT_TO_LEFT for character in text)


def visual_order(text: str) -> list[int]:
    """Which character of a text stands where on the page: place n from the left has ``text[visual_order(text)[n]]``.

    Applied to the text in that order it leads back: the line's own direction is that of most of its letters (from the
    right where as many are), and not that of the first, which would be another one from the other end.

    Args:
        text: one line in either order, without explicit marks of direction.

    Source:
        Unicode Standard Annex 9, rules W1 to W7, N1, N2, I1, I2, L2 and L3, of one paragraph without embeddings.
    """
    if not has_right_to_left(text):
        return list(range(len(text)))
    clusters = _clusters(text)
    levels = _levels([unicodedata.bidirectional(text[cluster[0]]) for cluster in clusters])
    order = list(range(len(clusters)))
    for level in range(max(levels), 0, -1):  # L2: from the highest level down, what is at least as high is turned
        start = 0
        while start < len(order):
            end = start
            while end < len(order) and levels[end] >= level:
                end += 1
            order[start:end] = reversed(order[start:end])
            start = end + 1
    return [place for n in order for place in clusters[n]]


def turned(text: str) -> str:
    """A text from logical order to that on the page, or back; brackets of what is turned are shown mirrored (L4)."""
    if not has_right_to_left(text):
        return text
    mirrored = _mirrored_places(text)
    return "".join(text[n].translate(_MIRRORED) if n in mirrored else text[n] for n in visual_order(text))


def _mirrored_places(text: str) -> set[int]:
    clusters = _clusters(text)
    levels = _levels([unicodedata.bidirectional(text[cluster[0]]) for cluster in clusters])
    return {place for cluster, level in zip(clusters, levels) if level % 2 for place in cluster}


def _clusters(text: str) -> list[list[int]]:
    """The places of each character and the marks on it, which stay behind it in either order (L3)."""
    clusters: list[list[int]] = []
    for place, character in enumerate(text):
        if clusters and unicodedata.bidirectional(character) == "NSM":
            clusters[-1].append(place)
        else:
            clusters.append([place])
    return clusters


def _levels(kinds: list[str]) -> list[int]:
    """The embedding level of each character from its bidirectional class."""
    right = sum(kind in RIGHT_TO_LEFT for kind in kinds)
    base = int(right >= kinds.count("L"))
    own = "R" if base else "L"
    kinds = _numbers(kinds, own)
    kinds = ["R" if kind == "AL" else kind for kind in kinds]
    levels = []
    for n, kind in enumerate(kinds):
        if kind not in ("L", "R", "EN", "AN"):  # N1, N2: between two of one direction a sign has theirs
            before = next((k for k in reversed(kinds[:n]) if k in ("L", "R", "EN", "AN")), own)
            after = next((k for k in kinds[n + 1 :] if k in ("L", "R", "EN", "AN")), own)
            sides = {"L" if side == "L" else "R" for side in (before, after)}
            kind = sides.pop() if len(sides) == 1 else own
        if base:
            levels.append(1 if kind == "R" else 2)  # I2
        else:
            levels.append({"L": 0, "R": 1}.get(kind, 2))  # I1
    return levels


def _numbers(kinds: list[str], own: str) -> list[str]:
    """Rules W2 to W7: digits, and the signs that belong to them."""
    kinds = list(kinds)
    strong = own
    for n, kind in enumerate(kinds):
        if kind in ("L", "R", "AL"):
            strong = kind
        elif kind == "EN" and strong == "AL":
            kinds[n] = "AN"  # W2
    for n in range(1, len(kinds) - 1):  # W4
        around = {kinds[n - 1], kinds[n + 1]}
        if around == {"EN"} and kinds[n] in ("ES", "CS"):
            kinds[n] = "EN"
        elif around == {"AN"} and kinds[n] == "CS":
            kinds[n] = "AN"
    for places in (range(1, len(kinds)), range(len(kinds) - 2, -1, -1)):  # W5: signs beside a number, either side
        step = -1 if places.step > 0 else 1
        for n in places:
            if kinds[n] == "ET" and kinds[n + step] == "EN":
                kinds[n] = "EN"
    strong = own
    for n, kind in enumerate(kinds):  # W7
        if kind in ("L", "R", "AL"):
            strong = kind
        elif kind == "EN" and strong == "L":
            kinds[n] = "L"
    return kinds
