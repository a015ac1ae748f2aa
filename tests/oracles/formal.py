"""Slow solvers in plain Python, from the definitions: of a string what is to be answered, and in how many steps."""

import itertools
import math
import re


def even_pairs(s):
    return [str(sum(a != b for a, b in itertools.pairwise(s)) % 2)], 1


def parity_check(s):
    return [str(s.count("1") % 2)], 1


def cycle_navigation(s):
    place = 0
    for move in s:
        place = (place + {"<": 4, "=": 0, ">": 1}[move]) % 5
    return [str(place)], 1


def modular_arithmetic(s):
    text = "".join(s)
    assert re.fullmatch(r"[0-4]([-+*][0-4])*", text)
    return [str(eval(text) % 5)], 1


def brackets(s):
    assert parse(s) == len(s)
    return [str(eval("".join(s)) % 5)], 1


def parse(s, at=0):
    """Where the expression that starts at a place ends, by the grammar of the paper."""
    if s[at] == "-":
        assert s[at + 1] in "01234x"
        return at + 2
    if s[at] in "01234x":
        return at + 1
    assert s[at] == "(", s
    at = parse(s, at + 1)
    if s[at] == ")":
        return at + 1
    assert s[at] in "+-*"
    at = parse(s, at + 1)
    assert s[at] == ")"
    return at + 1


def solve_equation(s):
    if len(s) < 3:
        assert set(s) == {"0"}
        return ["0"], 1
    left, right = "".join(s).split("=")
    assert left.count("x") == 1
    assert "*" not in left
    assert parse(left) == len(left)
    (x,) = [x for x in "01234" if eval(left.replace("x", x)) % 5 == int(right)]
    return [x], 1


def stack_manipulation(s):
    stack = []
    for i, symbol in enumerate(s):
        if symbol in ("0", "1"):
            assert i == len(stack), "a bit after an action"
            stack.append(symbol)
        elif symbol == "pop":
            if stack:
                stack.pop()
        else:
            assert i, "an action before the stack"
            stack.append(symbol[-1])
    return [*reversed(stack), "."], len(s) + 1


def reverse_string(s):
    return s[::-1], len(s)


def duplicate_string(s):
    return s + s, 2 * len(s)


def odds_first(s):
    return s[0::2] + s[1::2], len(s)


def bucket_sort(s):
    return sorted(s), len(s)


def missing_duplicate(s):
    if len(s) == 1:
        return ["1"], 1
    half = len(s) // 2
    assert s.count("_") == 1
    assert (s[2 * half :] == ["."]) == (len(s) % 2 == 1)
    at = s.index("_")
    found = s[(at + half) % (2 * half)]
    whole = [found if symbol == "_" else symbol for symbol in s[: 2 * half]]
    assert whole[:half] == whole[half:]
    return [found], 1


def number(bits):
    """Of bits with the lowest first."""
    return sum(1 << i for i, bit in enumerate(bits) if bit == "1")


def bits_of(value):
    """The lowest first, none for 0."""
    return list(f"{value:b}")[::-1] if value else []


def binary_addition(s):
    parts = "".join(s).split("+")
    if len(s) < 3:
        assert number(s) < 2 ** len(s) - 1
    else:
        assert all(number(part) > 0 for part in parts)
    return [*(bits_of(sum(map(number, parts))) or ["0"]), "."], len(s) + 1


def binary_multiplication(s):
    if len(s) < 3:
        return ["0"] * (len(s) - 1) + ["."], len(s)
    one, other = "".join(s).split("*")
    assert number(one) * number(other) > 0
    return [*bits_of(number(one) * number(other)), "."], len(s)


def compute_sqrt(s):
    value = int("".join(s), 2)
    assert value > 0
    width = -(-len(s) // 2)
    return list(f"{math.isqrt(value):0{width}b}"), width


def majority(s):
    return s.count("1") > s.count("0")


def parity(s):
    return s.count("1") % 2 == 1


def navigation(s):
    place = 0
    for move in s[:-1]:
        if move not in "<=>":
            return False
        place += {"<": -1, "=": 0, ">": 1}[move]
    return s[-1:] == str(place % 5)


def dyck(s):
    stack = []
    for bracket in s:
        if bracket in "([":
            stack.append({"(": ")", "[": "]"}[bracket])
            if len(stack) > 3:
                return False
        elif not stack or stack.pop() != bracket:
            return False
    return not stack


def marked(reorder):
    """Strings w # f(w)."""
    return lambda s: s.count("#") == 1 and "".join(reorder(s.split("#")[0])) == s.split("#")[1]


def unmarked(reorder):
    """Strings w f(w)."""
    return lambda s: len(s) % 2 == 0 and "".join(reorder(s[: len(s) // 2])) == s[len(s) // 2 :]


def hidden_one(s):
    whole = s.replace("_", "1")
    return s.count("_") == 1 and len(s) % 2 == 0 and whole[: len(s) // 2] == whole[len(s) // 2 :]


def right_addition(s):
    parts = re.fullmatch(r"([01]+)\+([01]+)=([01]+)", s)
    return parts is not None and number(parts[1]) + number(parts[2]) == number(parts[3])


MEMBERS = {
    "majority": majority,
    "parity": parity,
    "cycle-navigation": navigation,
    "dyck-2-3": dyck,
    "marked-copy": marked(lambda w: w),
    "unmarked-copy": unmarked(lambda w: w),
    "marked-reversal": marked(reversed),
    "unmarked-reversal": unmarked(reversed),
    "missing-duplicate": hidden_one,
    "odds-first": marked(lambda w: w[0::2] + w[1::2]),
    "binary-addition": right_addition,
    "bucket-sort": marked(sorted),
}

ANSWERS = {
    "EvenPairs": even_pairs,
    "ParityCheck": parity_check,
    "CycleNavigation": cycle_navigation,
    "ModularArithmetic": modular_arithmetic,
    "ModularArithmeticBrackets": brackets,
    "SolveEquation": solve_equation,
    "StackManipulation": stack_manipulation,
    "ReverseString": reverse_string,
    "DuplicateString": duplicate_string,
    "OddsFirst": odds_first,
    "BucketSort": bucket_sort,
    "MissingDuplicate": missing_duplicate,
    "BinaryAddition": binary_addition,
    "BinaryMultiplication": binary_multiplication,
    "ComputeSqrt": compute_sqrt,
}
