"""Problems of reasoning-gym, judged by reasoning-gym's own scorers: right means a score of 1."""

import ast
import importlib
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from reasoning_gym import get_score_answer_fn
from reasoning_gym.dataset import ProceduralDataset
from reasoning_gym.factory import DATASETS

from distill.errors import nearest

Scorer = Callable[[str, dict[str, Any]], float]

# these scorers would evaluate an answer as Python to give it partial credit
_EVALUATING = ("string_insertion", "spiral_matrix", "number_sorting", "binary_matrix")
for _name in (*(f"algorithmic.{name}" for name in _EVALUATING), "games.n_queens"):
    importlib.import_module(f"reasoning_gym.{_name}").eval = ast.literal_eval

# scorers found to be fast and harmless on any answer: no evaluation, no search
_CHEAP = frozenset(
    ("chain_sum", "products", "decimal_chain_sum", "number_format", "number_sorting",
     "spell_backward", "letter_jumble", "fraction_simplification", "word_sorting")
)  # fmt: skip

# scorers that hand these texts to sympy's parser or to eval: plain formulas only
_FORMULA_ANSWERS = frozenset(
    ("simple_integration", "intermediate_integration", "polynomial_multiplication",
     "puzzle24", "countdown")
)  # fmt: skip
_FORMULA_FIELDS = {
    "simple_integration": ("integrand",),
    "intermediate_integration": ("integrand",),
    "bitwise_arithmetic": ("problem",),
}
_TUPLED = frozenset(("arc_agi", "rearc"))  # these compare with tuples
MAX_FORMULA_CHARS = 2000
MAX_CHEAP_CHARS = 10_000  # of an answer scored in this process
_FORMULA_TOKEN = re.compile(
    r"\s+|0x[0-9a-fA-F]+|\d+(?:\.\d*)?|\.\d+|\*\*|<<|>>|[-+*/()^&|~,]"
    r"|(?<![A-Za-z_])(?:a?(?:sin|cos|tan)h?|sec|csc|cot|exp|log|ln|sqrt|Abs|pi|[A-Za-z])(?![\w(])"
    r"|(?<![A-Za-z_])(?:a?(?:sin|cos|tan)h?|sec|csc|cot|exp|log|ln|sqrt|Abs)(?=\()"
)
_NOT_A_NUMBER = re.compile(r"(?<![a-z])(?:nan|inf|infinity)(?:[ij]|(?![a-z]))", re.IGNORECASE)


def is_cheap(family: str) -> bool:
    """True if a family's scorer may run in this process: it only compares texts or decimals."""
    if family in _CHEAP:
        return True
    known = DATASETS.get(family)
    return known is not None and known[0].score_answer is ProceduralDataset.score_answer


@lru_cache(maxsize=256)
def scorer(family: str) -> Scorer:
    """The scorer of a family.

    Raises: ValueError naming the nearest family for one that reasoning-gym does not have.
    """
    if family not in DATASETS:
        raise ValueError(f"reasoning-gym has no {family!r}{nearest(family, list(DATASETS))}")
    return get_score_answer_fn(family)


def is_right(family: str, answer: str, entry: dict[str, Any]) -> bool:
    """Full score or nothing: partial credit (the oracle somewhere in the answer) is not right.

    Raises: ValueError for an unknown family, KeyError and TypeError for a broken entry.
    """
    if family == "composite":
        family = entry["metadata"]["source_dataset"]
    # min(1, nan) is 1: a scorer by distance would call "nan" right
    if _NOT_A_NUMBER.search(answer) and not _NOT_A_NUMBER.search(str(entry["answer"])):
        return False
    if family in _FORMULA_ANSWERS and not is_plain_formula(answer):
        return False
    for field in _FORMULA_FIELDS.get(family, ()):
        if not is_plain_formula(str(entry["metadata"][field])):
            raise ValueError(f"the entry's {field} is not a plain formula")
    if family in _TUPLED:
        entry = {**entry, "metadata": _tupled(entry["metadata"])}
    return _scores_full(family, answer, entry)


def _scores_full(family: str, answer: str, entry: dict[str, Any]) -> bool:
    try:
        return scorer(family)(answer, entry) == 1.0
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError):
        # some scorers raise on what they cannot read; a broken entry fails on its own answer too
        oracle = entry["answer"]
        if oracle is None or (answer != oracle and scorer(family)(oracle, entry) == 1.0):
            return False
        raise


def _tupled(value: Any) -> Any:
    """Lists as tuples, at every depth: what JSON turned into lists."""
    if isinstance(value, dict):
        return {key: _tupled(item) for key, item in value.items()}
    return tuple(map(_tupled, value)) if isinstance(value, list) else value


def is_plain_formula(text: str) -> bool:
    """Numbers, operators, one-letter variables and known functions, nothing that could act."""
    return len(text) <= MAX_FORMULA_CHARS and not _FORMULA_TOKEN.sub("", text)
