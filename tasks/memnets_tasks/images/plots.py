"""What happens in a story of pictures, and the sentence that says it: its words hang on the pictures before."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

PLACES = {
    "on the left": (-0.56, 0.0),
    "on the right": (0.56, 0.0),
    "at the top": (0.0, -0.56),
    "at the bottom": (0.0, 0.56),
    "in the middle": (0.0, 0.0),
}
"""Where a thing may stand: x and y (down) of the middle of the place, from -1 to 1 across the picture."""

EVENTS = ("new", "still", "moved", "again", "elsewhere")
"""What a picture shows after those before: a thing not seen yet; that of the picture before, where it was or not; one
seen earlier, where it was last or not."""

RETURNS = ("again", "elsewhere")
"""The events in which a thing comes back."""

STAYS, KNOWN, SAME_PLACE = 0.35, 0.6, 0.5
"""Chance that the thing of the picture before stays in view; of another thing, that it was seen; that its place is as
it was."""


class Scene(NamedTuple):
    """One picture: a thing, where it stands, and what that is after the pictures before."""

    colour: str
    kind: str
    place: str
    event: str


def sentence(scene: Scene) -> str:
    """What is said of a picture; "it" is the thing of the picture before."""
    thing, place = f"{scene.colour} {scene.kind}", scene.place
    return {
        "new": f"a {thing} appears {place}",
        "still": f"it is still {place}",
        "moved": f"it moves and is {place}",
        "again": f"the {thing} is {place} again",
        "elsewhere": f"the same {thing} is now {place}",
    }[scene.event]


def says_return(words: Sequence[str]) -> bool:
    """Whether a sentence says that a thing came back."""
    return "again" in words or "same" in words


def plot(length: int, things: Sequence[tuple[str, str]], random: np.random.Generator) -> list[Scene]:
    """A story of so many pictures about some of the things, each a colour and a kind."""
    unseen = [things[n] for n in random.permutation(len(things))]
    last: dict[tuple[str, str], str] = {}
    """Where each thing was seen last, in the order in which they first came."""
    before: tuple[str, str] | None = None
    story = []
    for _ in range(length):
        others = [thing for thing in last if thing != before]
        if before is not None and random.random() < STAYS:
            thing, events = before, ("still", "moved")
        elif others and (random.random() < KNOWN or not unseen):
            thing, events = others[random.integers(len(others))], RETURNS
        elif unseen:
            thing, events = unseen.pop(), ("new", "new")
        else:  # one thing alone was there to be told of
            thing, events = before, ("still", "moved")
        assert thing is not None
        stays = bool(random.random() < SAME_PLACE)
        was = last.get(thing)
        free = [place for place in PLACES if place != was]
        place = was if stays and was is not None else free[random.integers(len(free))]
        story.append(Scene(thing[0], thing[1], place, events[0] if stays else events[1]))
        last[thing], before = place, thing
    return story


def vocabulary(things: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """Every word of every sentence, sorted."""
    said = [sentence(Scene(*thing, place, event)) for thing in things for place in PLACES for event in EVENTS]
    return tuple(sorted({word for text in said for word in text.split()}))
