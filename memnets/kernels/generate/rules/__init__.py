"""What each ATen operator is in a graph. ``VIEWS`` are those whose result shares its argument's numbers."""

from .elementwise import ELEMENTWISE
from .order import ORDER
from .places import PLACES, put
from .reductions import REDUCTIONS
from .rule import NoRuleError, Rule
from .views import VIEWS

RULES: dict[str, Rule] = {**ELEMENTWISE, **REDUCTIONS, **ORDER, **PLACES}

__all__ = ["RULES", "VIEWS", "NoRuleError", "Rule", "put"]
