"""What jsonargparse says, in one line for the user, with the names nearest to what was written.

Of a class that is named, it is asked directly what it is and lacks (:mod:`memnets.experiments.given`). All else comes
as prose: jsonargparse raises ValueError and TypeError that carry nothing but their text, from any depth of classes
within classes, with a union's reasons in one string. Its minor version is therefore pinned, and tests read each line.
"""

import itertools
import re
from collections.abc import Iterable, Sequence

from ..base.errors import suggest


def one_line(message: str, overrides: Sequence[str], known: Iterable[str]) -> str:
    """The part of a nested message that the user can do something about.

    Args:
        message: jsonargparse's.
        overrides: what stands on the command line.
        known: every setting there is.
    """
    whole = message.removeprefix('Parser key "config": ')
    message = without_union(whole)
    keys = list(dict.fromkeys(re.findall(r"Parser key \"([\w.]+)\":", message)))
    if denied := re.search(r"Importing '([\w.]+)' is not allowed", message):
        return _denied(denied[1], keys)
    choices = re.findall(r"Expected a typing\.Literal\[(.*?)\]", whole)
    if keys and choices:
        given = re.search(r"Got value: ([^\n]*)|Given value: ([^\n]*)", whole)
        value = (given[1] or given[2]) if given else ""
        return f"--{'.'.join(keys)} is {value!r}, but must be one of {', '.join(dict.fromkeys(choices))}"
    kinds = dict.fromkeys(re.findall(r"Expected a <class '([\w.]+)'>", message))
    if keys and kinds:
        got = re.search(r"(?:Got|Given) value: ([^\n]*)", message)
        value = got[1].partition(". Got value: Namespace(")[0] if got else ""  # without the whole in which it stands
        wanted = " or ".join(f"an {kind}" if kind == "int" else f"a {kind}" for kind in kinds)
        return f"--{'.'.join(keys)}: expected {wanted}. Got value: {value}"
    if foreign := re.search(r"unrecognized arguments: --([\w.]+)", message):
        return unknown(foreign[1], known)
    if refused := re.search(r"(?:Group '([\w.]+)' does not accept option|Option) '([\w.]+)'", message):
        return unknown(".".join(filter(None, [*keys[:1], refused[1], refused[2]])), known)
    lacks = re.search(
        r"(?:class_path '([\w.]+)'|callable class):\s+the following arguments are required: ([\w., ]+)", whole
    )
    if keys and lacks:
        name = lacks[1] or dict(itertools.pairwise(overrides)).get(f"--{keys[0]}", keys[0])
        needed = " ".join(f"--{keys[0]}.{argument} ..." for argument in lacks[2].replace(",", " ").split())
        return f"{name} cannot be made without {needed}: add it"
    message = message.partition("Subclass types expect one of:")[0]  # the ways to write one, as long as a page
    said = " ".join(line.strip(" -") for line in re.sub(r"Parser key \"[\w.]+\":", "", message).splitlines()).strip()
    said = said.replace("Expected a dot import path string:", "expected a class as package.module.Class, not")
    return f"--{'.'.join(keys)}: {said}" if keys else said


def unknown(key: str, known: Iterable[str]) -> str:
    """That there is no such setting, and which are near."""
    return f"unknown setting {key!r}{suggest(key, known)}"


def _denied(class_path: str, keys: Sequence[str]) -> str:
    where = f"{keys[0]}: " if keys else ""
    return f"{where}{class_path} is not looked up: give a class of memnets, memnets_tasks, torch, lightning or your own"


def without_union(message: str) -> str:
    """What a class itself says, where jsonargparse adds the null that it might have been instead."""
    other = "Expected a <class 'NoneType'>"
    head, _, rest = message.partition("Does not validate against any of the Union subtypes")
    if other not in rest:
        return message
    reasons = rest.partition("Errors:")[2].partition("Given value type:")[0].splitlines()
    own = dict.fromkeys(reason.strip(" -") for reason in reasons if other not in reason)
    given = rest.partition("Given value: ")[2].strip()
    said = [
        f"{reason}. Got value: {given}" if re.fullmatch(r"Expected a <class '[^']*'>", reason) else reason
        for reason in own
    ]
    return head + "\n".join(said) if any(said) else message
