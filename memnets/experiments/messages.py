"""What jsonargparse says, in one line for the user, with the names nearest to what was written."""

import itertools
import pkgutil
import re
from collections.abc import Iterable, Sequence

from ..base.errors import suggest

BASES = {"Task": "memnets_tasks.Task", "Curriculum": "memnets_tasks.Curriculum", "Module": "torch.nn.Module"}
"""What to derive one's own classes from, by the name of the class that is asked for."""


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
    refused = re.search(
        r"Option '([\w.]+)' is not accepted|unrecognized arguments: --([\w.]+)|does not accept option '([\w.]+)'",
        message,
    )
    if refused:
        owner = "" if refused[2] else "".join(f"{key}." for key in keys[:1])
        return unknown(owner + (refused[1] or refused[2] or refused[3]), known)
    if denied := re.search(r"Importing '([\w.]+)' is not allowed", message):
        return _denied(denied[1], keys)
    choices = re.findall(r"Expected a typing\.Literal\[(.*?)\]", whole)
    if keys and choices:
        given = re.search(r"Got value: ([^\n]*)|Given value: ([^\n]*)", whole)
        value = (given[1] or given[2]) if given else ""
        return f"--{'.'.join(keys)} is {value!r}, but must be one of {', '.join(dict.fromkeys(choices))}"
    expected = re.findall(r"Expected a <class '[^']*'>\. Got value: [^\n]*", message)
    if keys and expected:
        kind = re.sub(r"<class '([\w.]+)'>", r"\1", expected[0])
        kind = kind.partition(". Got value: Namespace(")[0]  # the whole, in which the value stands
        return f"--{'.'.join(keys)}: {kind[0].lower()}{kind[1:]}".replace(" a int.", " an int.")
    lacks = re.search(r"class_path '([\w.]+)':\s+the following arguments are required: ([\w., ]+)", whole)
    if keys and lacks:
        needed = " ".join(f"--{keys[0]}.{name} ..." for name in lacks[2].replace(",", " ").split())
        return f"{lacks[1]} cannot be made without {needed}: add it"
    function = re.search(r"expects a function or a callable class:\s*(.*)", whole)
    if function and (said := _of_callable(function[1], f"--{'.'.join(keys)}", overrides)):
        return said
    foreign = re.search(r"does not correspond to a subclass of (\w+)", message)
    if keys and foreign:
        named = re.search(r"Import path ([\w.]+) does|Given value: ([\w.]+)", whole)
        base = BASES.get(foreign[1], foreign[1])
        return f"--{'.'.join(keys)}: {(named[1] or named[2]) if named else 'what is given'} is no {base}: derive it"
    abstract = re.search(r"Expected an instantiatable class, but ([\w.]+) is abstract", message)
    if keys and abstract:
        return f"--{'.'.join(keys)}: {abstract[1]} lacks {' and '.join(_undefined(abstract[1]))}: define them"
    given = re.findall(r"Given value: (.*?)(?:\. Got value|\n|$)", message)
    wrong = [key for key, value in itertools.pairwise(overrides) if value in given and key.startswith("--")]
    if wrong and given:
        return f"{wrong[0]}: {given[0]!r} is not a value of the right type"
    return " ".join(line.strip(" -") for line in message.splitlines() if line.strip())


def _of_callable(reason: str, key: str, overrides: Sequence[str]) -> str | None:
    """Of a setting that is called later, such as a scheduler of the learning rate, what its class lacks or is not."""
    given = dict(itertools.pairwise(overrides)).get(key, "its class")
    if lacks := re.match(r"the following arguments are required: ([\w., ]+)", reason):
        needed = " ".join(f"{key}.{name} ..." for name in lacks[1].replace(",", " ").split())
        return f"{key}: {given} cannot be made without {needed}: add it"
    if foreign := re.match(r"Expected '([\w.]+)' to be a subclass of <class '([\w.]+)'>", reason):
        return f"{key}: {foreign[1]} is no {foreign[2]}: give one"
    return None


def _undefined(class_path: str) -> list[str]:
    """The methods that an abstract class leaves to be defined; it has been imported by now."""
    return sorted(pkgutil.resolve_name(class_path).__abstractmethods__)


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
