"""A reader of a formula's signs, from left to right, to a small tree; nothing is evaluated."""

import re

from distill.verifiers.maths.atoms import SYMBOLS, read_atom, starts_atom
from distill.verifiers.maths.ellipses import DOTS, listed, series
from distill.verifiers.maths.products import juxtaposed
from distill.verifiers.maths.tokens import END, Token, Unreadable
from distill.verifiers.maths.trees import (
    Node,
    crossed,
    joined,
    over,
    primed,
    raised,
    signed,
    times,
    transposed,
)
from distill.verifiers.maths.unit_words import is_bare_unit, read_unit_words

MAX_DEPTH = 40
MAX_SIGNS = 8  # before or behind one value

_RELATIONS = {
    "=": "=", "<": "<", ">": ">", "\\le": "<=", "\\ge": ">=", "\\ne": "!=", "\\in": "in",
    "\\approx": "~", "\\simeq": "~", "\\equiv": "==", "\\notin": "notin", "\\sim": "sim",
    "\\to": "to", "\\mapsto": "to", "\\rightarrow": "to", "\\propto": "propto",
}  # fmt: skip
_SET_OPERATORS = {"\\cup": "union", "\\cap": "inter", "\\setminus": "minus"}
_TIMES, _OVER = frozenset(("*", "\\cdot", "\\times")), frozenset(("/", "\\div"))
_SUMS = frozenset(("+", "-", "\\pm", "\\mp"))
_CLOSERS = frozenset((")", "]", "}", "\\}", "\\rangle", "\\rvert", "\\rfloor", "\\rceil", "\\mid"))
_CLOSING_SIGNS = _CLOSERS | {"|", "&", "\\\\", ":"}
_SEPARATORS, _MONEY = frozenset((",", ";")), frozenset("$€£¥₹")
_JOIN = re.compile(r",?\s*(?:(and|&)|(or))\s*,?", re.IGNORECASE)


class Reader:
    """Reads one list of tokens from left to right."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.at = 0
        self.depth = 0
        self.bars = 0  # open bars: another one closes, and is not the start of a factor
        self.rows = False  # inside [ ]: a semicolon ends a row
        self.in_cases = False  # where "n even" is a condition, no unit
        self.wide_slash = False  # "E/kT" divides by both
        self.lettered = False  # in brackets "km" is a product

    # --- tokens

    @property
    def now(self) -> Token:
        """The token that is read next; END behind the last."""
        return self.tokens[self.at]

    def ahead(self, steps: int = 1) -> Token:
        """A token further on."""
        at = self.at + steps
        return self.tokens[at] if at < len(self.tokens) else END

    def is_ahead(self, *texts: str) -> bool:
        """Do these signs follow the next token?"""
        return all(self.ahead(at).text == text for at, text in enumerate(texts, start=1))

    def is_pair(self) -> bool:
        """Do two numbers or names in brackets, "(10, 3)", come next?"""
        first, comma, second, closing = (self.ahead(steps) for steps in range(1, 5))
        plain = all(one.kind in ("number", "letters") for one in (first, second))
        return plain and comma.text == "," and closing.text == ")"

    def take(self) -> Token:
        """The next token, read."""
        token = self.tokens[self.at]
        self.at += token is not END
        return token

    def put_back(self, token: Token) -> None:
        """Read this one next."""
        self.tokens.insert(self.at, token)

    def split(self, characters: int) -> None:
        """Make two tokens of the next one, the first so long."""
        token = self.now
        if len(token.text) > characters:
            rest = token._replace(text=token.text[characters:], spaced=False)
            self.tokens[self.at : self.at + 1] = [
                token._replace(text=token.text[:characters]),
                rest,
            ]

    def skip(self, *texts: str) -> bool:
        """Take the token if it is one of these signs or commands."""
        token = self.tokens[self.at]
        if token.text in texts and token.kind in ("sign", "command"):
            self.at += 1
            return True
        return False

    def expect(self, *texts: str) -> None:
        """Take one of these. Raises: Unreadable when something else stands there."""
        if not self.skip(*texts):
            raise Unreadable

    def is_sign(self, signs: frozenset[str] | dict[str, str]) -> bool:
        """Is the next token one of these signs or commands?"""
        token = self.tokens[self.at]
        return token.text in signs and token.kind in ("sign", "command")

    # --- whole answers

    def items(self) -> Node:
        """Items between commas, semicolons, "and", "or"; one item by itself is no list."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise Unreadable
        found, joins = [self.item_or_dots()], []
        while (join := self.separator()) is not None:
            if self.closes():
                break
            joins.append(join)
            found.append(self.item_or_dots())
        self.depth -= 1
        if DOTS in found:
            found = listed(found)
        if len(found) == 1:
            return found[0]
        strongest = next((join for join in ("or", "and") if join in joins), ",")
        return Node("list", strongest, tuple(found))

    def item_or_dots(self) -> Node:
        """An item, or the dots in its place."""
        return DOTS if self.skip("\\ldots") else self.item()

    def separator(self) -> str | None:
        """ "," or "and" or "or" when the next tokens separate two items."""
        join = None
        while True:
            token = self.now
            word = _JOIN.fullmatch(token.text) if token.kind in ("text", "letters") else None
            if word:
                join = "or" if word[2] else "and"
            elif token.kind == "text" and token.text in ("", ","):
                join = join or ("," if token.text else None)
            elif self.is_sign(_SEPARATORS) and not (token.text == ";" and self.rows):
                join = join or ","
            else:
                return join
            self.at += 1

    def closes(self) -> bool:
        """Does the answer, or the bracket around it, end here?"""
        token = self.tokens[self.at]
        return token.kind == "end" or self.is_sign(_CLOSING_SIGNS)

    def item(self) -> Node:
        """A chain of relations, or a value with its unit."""
        self.skip("\\approx")
        sides, signs = [self.side()], []
        while self.is_sign(_RELATIONS):
            signs.append(_RELATIONS[self.take().text])
            sides.append(self.side())
        if signs == ["=="] and sides[0].kind == "apply" and self.now.text != "\\pmod":
            signs = ["="]  # "f(x) \\equiv 0"
        node = Node("relation", tuple(signs), tuple(sides)) if signs else sides[0]
        return Node("mod", None, (node, read_atom(self))) if self.skip("\\pmod") else node

    def side(self) -> Node:
        """A union of sets, or a value with its unit."""
        node, sets = self.measured(), 1
        while self.is_sign(_SET_OPERATORS):
            sets += 1
            if sets > MAX_DEPTH:
                raise Unreadable
            kind = _SET_OPERATORS[self.take().text]
            node = joined(kind, node, self.measured())
        return node

    def measured(self) -> Node:
        """A sum and the unit before or behind it."""
        is_negative = self.now.text == "-" and self.ahead().text in _MONEY
        self.at += is_negative
        money = self.take().text if self.is_sign(_MONEY) else ""
        node = self.sum()
        unit = read_unit_words(self) or money
        node = signed("-", node) if is_negative else node
        return Node("unit", unit, (node,)) if unit else node

    def ends_item(self) -> bool:
        """Does the item end here?"""
        return self.closes() or self.joins() or self.is_sign(_SEPARATORS | _RELATIONS.keys())

    def joins(self) -> bool:
        """Is the next token "and" or "or"?"""
        token = self.now
        return token.kind in ("text", "letters") and _JOIN.fullmatch(token.text) is not None

    # --- arithmetic

    def sum(self) -> Node:
        """Terms between + - \\pm \\mp."""
        parts, dots = [self.term()], 0
        while self.is_sign(_SUMS):
            sign = self.take().text
            if sign == "+" and not dots and self.skip("\\ldots"):
                dots = len(parts)
            else:
                parts.append(signed(sign, self.term()))
        if dots:
            return series(parts, dots)
        return parts[0] if len(parts) == 1 else Node("add", None, tuple(parts))

    def term(self) -> Node:
        """Factors side by side or between signs, from left to right."""
        node, quotients = self.factor(), 0
        while True:
            if self.is_sign(_TIMES):
                is_cross = self.take().text == "\\times"
                node = (crossed if is_cross else times)(node, self.factor())
            elif self.is_sign(_OVER):
                self.at += 1
                quotients += 1
                if quotients > MAX_DEPTH:  # each stands above the next
                    raise Unreadable
                node = over(node, self.divisor())
            elif (starts_atom(self.now) and not self.stops()) or self.opens_bars():
                node = juxtaposed(self, node)
            else:
                return node

    def divisor(self) -> Node:
        """What follows a slash: a factor; "k_B T" where that reading is asked for."""
        is_name = _is_letter(self.now)
        node = self.factor()
        while self.wide_slash and is_name and _is_letter(self.now) and not self.stops():
            node = times(node, self.power())
        return node

    def stops(self) -> bool:
        """Is what could start a factor the closing bar, a unit or an "and"?"""
        token = self.now
        if token.kind == "letters":
            return self.joins() or is_bare_unit(self)
        return self.bars > 0 and token.text in ("|", "\\mid")

    def opens_bars(self) -> bool:
        """Is the next bar an opening one, as the third of "|x||y|"?"""
        return self.bars == 0 and self.now.text == "|" and self.now.kind == "sign"

    def factor(self) -> Node:
        """A power with its signs."""
        signs = []
        while self.is_sign(_SUMS):
            signs.append(self.take().text)
            if len(signs) > MAX_SIGNS:
                raise Unreadable
        node = self.power()
        for sign in reversed(signs):
            node = signed(sign, node)
        return node

    def power(self) -> Node:
        """An atom with its powers, factorials, primes, degrees and percents."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise Unreadable
        node = self.postfixed(read_atom(self))
        if self.skip("^"):
            node = self.postfixed(raised(node, self.exponent()))
            node = transposed(node)
        self.depth -= 1
        return node

    def exponent(self) -> Node:
        """What follows ^; "2^10" is 1024, "a^bc" is c times a^b."""
        if self.now.text in ("-", "+") and self.now.kind == "sign":
            sign = self.take().text
            return signed(sign, self.exponent())
        if self.now.kind == "letters":
            self.split(1)
        node = read_atom(self)
        if self.skip("^"):  # plain text: "2^3^4" groups from the right
            self.depth += 1
            if self.depth > MAX_DEPTH:
                raise Unreadable
            node = raised(node, self.exponent())
            self.depth -= 1
        return node

    def postfixed(self, node: Node) -> Node:
        """Factorials, primes, degrees and percents behind a value."""
        for _ in range(MAX_SIGNS):
            if self.skip("!"):
                marks = 1
                while self.skip("!"):
                    marks += 1
                node = Node("call", "!" * min(marks, 4), (node,))
            elif self.skip("^\\circ"):
                node = self.degrees(node)
            elif self.skip("%"):
                node = Node("percent", None, (node,))
            elif self.skip("'"):
                node = primed(node)
            else:
                return node
        raise Unreadable

    def degrees(self, node: Node) -> Node:
        """Degrees of an angle or, before a C or F, of temperature."""
        if self.now.kind in ("letters", "text") and self.now.text in ("C", "F"):
            return Node("unit", f"^\\circ {self.take().text}", (node,))
        return Node("deg", None, (node,))


def _is_letter(token: Token) -> bool:
    """A variable or a Greek letter."""
    return token.kind == "letters" or (token.kind == "command" and token.text[1:] in SYMBOLS)
