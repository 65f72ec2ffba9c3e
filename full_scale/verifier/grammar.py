# ruff: noqa: RUF001, SIM905  # signs of many alphabets are the subject; word lists read best as text
r"""The grammar of answers: what is understood is listed here, and everything else is refused.

A sign, a command or a word that is not listed makes an answer not understood; nothing is ever skipped, because a
skipped sign turns a wrong answer into a right one ("6√11" into "6").

    answer    = statement { ("," | ";" | "、" | "and" | "or" | "或" | "和") statement }
    statement = [relation] side { relation side } | [name] tuple       relation: = ≈ ≠ < > ≤ ≥ ∈
    side      = quantity { ":" quantity } | collection { "∪" collection }
    quantity  = [currency] sum [unit { number unit }]          "1 h 30 min", "40°20'"
    sum       = [sign] product { sign product }                sign: + - ±
    product   = mixed | factor { [* | /] factor }              no sign between two factors only where it is unambiguous
    mixed     = integer fraction                               "4 1/2", "4\frac{1}{2}"
    factor    = atom ["^" exponent] ["!"]
    atom      = number | name | π | ∞ | group | fraction | root | function | |sum|
    collection = tuple | interval | set
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from full_scale.verifier.units import (
    ARC_MINUTE,
    ARC_SECOND,
    CURRENCY_SIGNS,
    DEGREE,
    PERCENT,
    PREFIX_POWERS,
    SINGLE_LETTERS,
    SUFFIX_POWERS,
    Unit,
    unit_named,
)

MAX_LENGTH = 200
"""Characters; a longer text is not a mathematical expression that somebody would write as a final answer."""

DEEPEST = 12
"""Brackets inside brackets."""


class NotUnderstoodError(ValueError):
    """The text is not in the grammar."""


@dataclass(frozen=True)
class Node:
    """A piece of an answer.

    Args:
        kind: "number", "name", "+", "*", "/", "neg", "^", "root", "call", "!", "binom", "abs", "infinity" for numbers
            and expressions; "quantity" with its unit; "ratio", "tuple", "set", "list", "union", "relation" above them.
        parts: Its operands, in order.
        value: A number's value, a name, a function's or brackets' or relations' names, a quantity's unit.
        decimals: Digits after a number's decimal point; 0 where it has none.
    """

    kind: str
    parts: tuple["Node", ...] = ()
    value: Fraction | str | Unit | None = None
    decimals: int = 0


class Token(NamedTuple):
    """A sign, number, word or command, and whether a blank stands before it."""

    kind: str
    text: str
    spaced: bool


RELATIONS = "=≈≠<>≤≥∈"
FUNCTIONS = (
    "sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh ln log lg exp".split()
)  # sqrt, frac and binom have a syntax of their own
_GREEK = (
    "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi rho sigma tau phi "
    "varphi chi psi omega Gamma Theta Lambda Sigma Phi Psi Omega ell"
).split()
_GREEK_LETTERS = dict(
    zip(
        "αβγδεζηθικλμνξρστφχψω",
        "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi rho sigma tau phi chi psi "
        "omega".split(),
        strict=True,
    )
)
_COMMANDS = {
    "cdot": "*", "times": "*", "ast": "*", "div": "/", "pi": "π", "infty": "∞", "pm": "±", "le": "≤", "leq": "≤",
    "leqslant": "≤", "ge": "≥", "geq": "≥", "geqslant": "≥", "ne": "≠", "neq": "≠", "lt": "<", "gt": ">", "approx": "≈",
    "thickapprox": "≈", "in": "∈", "cup": "∪", "lbrace": "\\{", "rbrace": "\\}", "{": "\\{", "}": "\\}", "%": "%",
    "sqrt": "√", "dfrac": "frac", "tfrac": "frac", "cfrac": "frac", "frac": "frac", "binom": "binom", "dbinom": "binom",
    "tbinom": "binom", "angle": "∠", "measuredangle": "∠", "triangle": "△", "vartriangle": "△", "odot": "⊙",
    "overline": "over", "overrightarrow": "over", "vec": "over", "widehat": "over", "lvert": "|", "rvert": "|",
    "vert": "|", "mid": "|", "emptyset": "∅", "varnothing": "∅", "land": "and", "prime": "'", "colon": ":",
}  # fmt: skip
_WORDS = {
    "pi": "π",
    "Pi": "π",
    "PI": "π",
    "sqrt": "√",
    "and": "and",
    "or": "and",
    "infinity": "∞",
    "inf": "∞",
    "oo": "∞",
    **dict.fromkeys(("minus", "negative", "Minus", "Negative"), "-"),
    "to": ":",
}
_NO_PRODUCTS = frozenset("no on up go he it is as at by we us me my if so to do be an of am in hi ok".split())
_TOKEN = re.compile(
    r"(?P<number>(?:\d{1,3}(?:,\d{3})+(?![\d,])|\d+)(?:\.\d*\\overline\s*\{\d+\}|\.\d+)?(?:[eE][+-]?\d{1,3}(?![\w.]))?"
    r"|\.\d+)|(?P<sub>_\s*(?:\{[^{}]*\}|[A-Za-z0-9]))|\\(?P<command>[A-Za-z]+|[{}%])|(?P<word>[A-Za-z]+|°\s*[CF](?![A-Za-z])"
    r"|[\u4e00-\u9fff]+|μm|[Ω℃℉])|(?P<name>[α-ορ-ω])|(?P<sign>\*\*|==|<=|>=|!=|''|[-+*/^=<>≤≥≠≈∈∪±!|():,;、\[\]{}%°'∞π√∅∠△⊙€£¥₹])|(?P<blank>\s+)",
    re.ASCII,
)
_OPEN, _CLOSE = ("(", "[", "\\{"), (")", "]", "\\}")
_JOINING = {"或": "and", "和": "and", "与": "and", "及": "and", "以及": "and", "或者": "and", "比": ":"}
_SIGNS = {"**": "^", "==": "=", "<=": "≤", ">=": "≥", "!=": "≠", "、": ",", ";": ","}


def tokens(text: str, *, thousands: bool) -> list[Token]:
    r"""The signs of a text.

    Args:
        text: As :func:`~full_scale.verifier.wording.plain` gives it.
        thousands: Read "17,400" outside of brackets as one number; in brackets, a comma always separates.

    Returns:
        The tokens, with one name for the spellings of one sign.

    Raises:
        NotUnderstoodError: A sign is in no list.
    """
    found: list[Token] = []
    place, depth, spaced = 0, 0, False
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise NotUnderstoodError(f"{text[place]!r} is no sign of the grammar")
        kind, token, end = str(match.lastgroup), match[match.lastgroup or 0], match.end()
        if kind == "number" and "," in token and (depth or not thousands):
            token = token.partition(",")[0]
            end = place + len(token)
        place = end
        if kind != "blank":
            item = _named(kind, token, spaced=spaced)
            depth += (item.text in _OPEN) - (item.text in _CLOSE)
            found.append(item)
        spaced = kind == "blank"
    return found


def _named(kind: str, text: str, *, spaced: bool) -> Token:
    if kind == "command":
        if text in _COMMANDS:
            return Token("sign", _COMMANDS[text], spaced)
        if text in FUNCTIONS:
            return Token("function", text, spaced)
        if text in _GREEK:
            return Token("name", text, spaced)
        raise NotUnderstoodError(f"\\{text} is no command of the grammar")
    if kind == "word":
        if text in FUNCTIONS:
            return Token("function", text, spaced)
        if sign := _WORDS.get(text) or _JOINING.get(text):
            return Token("sign", sign, spaced)
    return Token(kind, _SIGNS.get(text) or _GREEK_LETTERS.get(text, text), spaced)


@lru_cache(maxsize=20_000)
def readings(text: str, names: frozenset[str] = frozenset()) -> tuple[Node, ...]:
    """All readings of an answer: "343,729" is a number and a list of two.

    Args:
        text: As :func:`~full_scale.verifier.wording.plain` and `without_sentence` give it.
        names: Letters that are names, not units, where they are glued to a number (those of the ground truth).

    Returns:
        The readings, at most two; none where the text is not understood.
    """
    if len(text) > MAX_LENGTH:
        return ()
    found: list[Node] = []
    for thousands in (True, False) if "," in text else (True,):
        try:
            found.append(_read(tokens(text, thousands=thousands), names))
        except NotUnderstoodError:
            continue
    return tuple(dict.fromkeys(found))


def _read(words: list[Token], names: frozenset[str]) -> Node:
    if all(word.text != "±" for word in words):
        return Parser(words, names).answer()
    both = [
        Parser([word._replace(text=sign) if word.text == "±" else word for word in words], names).answer()
        for sign in "+-"
    ]
    return Node("list", tuple(item for one in both for item in (one.parts if one.kind == "list" else (one,))))


_END = Token("end", "", spaced=True)
_BOUNDARIES = frozenset((",", "and", ":", "∪", *RELATIONS, *_CLOSE, ""))
_STARTS = frozenset(("(", "[", "\\{", "{", "π", "∞", "√", "frac", "binom", "∠", "△", "⊙", "over"))
_TRIGONOMETRIC = frozenset("sin cos tan".split())
_SEXAGESIMAL = {"'": ARC_MINUTE, "分": ARC_MINUTE, "''": ARC_SECOND, "秒": ARC_SECOND}
_HALF_TURN = Node("/", (Node("name", value="π"), Node("number", value=Fraction(180))))


class Parser:
    """A recursive-descent parser of one answer; each rule of the grammar is a method.

    Args:
        words: The tokens.
        names: As in :func:`readings`.
    """

    def __init__(self, words: Sequence[Token], names: frozenset[str]) -> None:
        self._words = [*words, _END, _END]
        self._names = names
        self._at = self._depth = self._bars = 0
        self._degrees = False

    def answer(self) -> Node:
        """The whole text.

        Returns:
            Its tree.

        Raises:
            NotUnderstoodError: It is not in the grammar.
        """
        items = self._statements()
        if self._next is not _END:
            raise NotUnderstoodError(f"{self._next.text!r} is left over")
        return items[0] if len(items) == 1 else Node("list", tuple(items))

    @property
    def _next(self) -> Token:
        return self._words[self._at]

    def _ahead(self, text: str, places: int = 0) -> bool:
        token = self._words[min(self._at + places, len(self._words) - 1)]
        return token.text == text and token.kind == "sign"

    def _take(self, *texts: str) -> str:
        if self._next.kind == "sign" and self._next.text in texts:
            self._at += 1
            return self._words[self._at - 1].text
        return ""

    def _need(self, *texts: str) -> str:
        if not (taken := self._take(*texts)):
            raise NotUnderstoodError(f"{self._next.text!r} where one of {texts} is due")
        return taken

    def _statements(self) -> list[Node]:
        items = [self._statement()]
        while self._take(","):
            self._take("and")
            items.append(self._statement())
        while self._take("and"):
            items.append(self._statement())
        return items

    def _statement(self) -> Node:
        if point := self._point():
            return point
        leading = self._take("=", "≈")
        sides, relations = [self._side()], "≈" if leading == "≈" else ""
        while relation := self._take(*RELATIONS):
            relations += relation
            sides.append(self._side())
        return Node("relation", tuple(sides), relations) if relations else sides[0]

    def _point(self) -> Node | None:
        """A point with its coordinates: "A(3, 4)", "point (3, 4)", or nothing."""
        start = self._at
        if self._word("the", "point", "点") or self._next.text[:1].isupper():
            self._word("point")
            name = self._name() if self._next.text.isupper() else None
            value = self._atom(mixed=False) if self._ahead("(") else None
            if value and value.kind == "tuple" and self._next.text in _BOUNDARIES:
                return Node("relation", (name, value), "=") if name else value
        self._at = start
        return None

    def _side(self) -> Node:
        parts = [self._quantity()]
        for sign, kind in ((":", "ratio"), ("∪", "union")):
            while self._take(sign):
                parts.append(self._quantity())
            if len(parts) > 1:
                return Node(kind, tuple(parts))
        return parts[0]

    def _quantity(self) -> Node:
        outer, self._degrees = self._degrees, False
        currency = self._currency()
        value = self._sum()
        unit = self._unit() or (DEGREE if self._degrees else None)
        if currency and unit and currency != unit:
            raise NotUnderstoodError("two units of one number")
        unit = currency or unit
        while unit and self._next.kind == "number":
            value, unit = self._smaller_part(value, unit)
        self._degrees = outer
        return Node("quantity", (value,), unit) if unit else value

    def _currency(self) -> Unit | None:
        token = self._next
        is_sign = token.kind == "sign" and token.text in CURRENCY_SIGNS
        is_word = token.kind == "word" and token.text.lower() in ("dollar", "usd", "eur", "gbp", "rmb", "cny", "us")
        if not (is_sign or is_word) or self._words[self._at + 1].kind not in ("number", "word"):
            return None
        self._at += 1
        return self._currency() if token.text.lower() == "us" else unit_named(token.text)

    def _smaller_part(self, value: Node, unit: Unit) -> tuple[Node, Unit]:
        """The minutes of "2 h 30 min" or of "40°20'": the whole in the larger unit."""
        number = self._number(mixed=False)
        smaller = _SEXAGESIMAL.get(self._next.text) if unit.dimensions == DEGREE.dimensions else None
        if smaller:
            self._at += 1
        else:
            smaller = self._unit()
        if smaller is None or smaller.dimensions != unit.dimensions or smaller.scale >= unit.scale:
            raise NotUnderstoodError("two numbers side by side")
        part = Node("*", (number, Node("number", value=smaller.scale / unit.scale)))
        return Node("+", (value, part)), unit

    def _unit(self) -> Unit | None:
        """A unit that ends its quantity, also in brackets, or nothing."""
        start, bracketed = self._at, bool(self._take("("))
        unit = self._simple_unit()
        while unit and (self._take("/") or self._word("per", "a", "each")):
            under = self._simple_unit()
            unit = unit * under.power(-1) if under else None
        if bracketed and not self._take(")"):
            unit = None
        if unit and (self._next.text in _BOUNDARIES or self._next.kind == "number"):
            return unit
        self._at = start
        return None

    def _word(self, *texts: str) -> bool:
        found = self._next.kind == "word" and self._next.text.lower() in texts
        self._at += found
        return found

    def _simple_unit(self) -> Unit | None:
        power = PREFIX_POWERS.get(self._next.text.lower(), 0) if self._next.kind == "word" else 0
        self._at += bool(power)
        unit = self._unit_name()
        if unit is None or unit in (PERCENT, DEGREE):
            return None if power else unit
        return unit.power(power or self._unit_power())

    def _unit_name(self) -> Unit | None:
        token, after = self._next, self._words[self._at + 1]
        if token.kind == "sign" and token.text in (*CURRENCY_SIGNS, "%", "°"):
            self._at += 1
            return unit_named(token.text)
        name = token.text.replace(" ", "")
        if token.kind != "word" or (len(name) == 1 and name.isascii() and not self._is_unit_letter(token)):
            return None
        pair = unit_named(f"{name}-{after.text}") if after.kind == "word" else None
        unit = pair or unit_named(name)
        self._at += (2 if pair else 1) if unit else 0
        return unit

    def _is_unit_letter(self, token: Token) -> bool:
        spaced = token.spaced or self._ahead("/", -1)
        return token.text == "m" or (token.text in SINGLE_LETTERS and (spaced or token.text not in self._names))

    def _unit_power(self) -> int:
        """The 2 of "cm^2", "cm2", "cm squared"; 1 where none is written."""
        if self._next.kind == "word" and (power := SUFFIX_POWERS.get(self._next.text.lower())):
            self._at += 1
            return power
        start = self._at
        caret, brace = self._take("^"), self._take("{") if self._ahead("^", -1) else ""
        digit = self._next
        if digit.text in ("2", "3") and (caret or not digit.spaced):
            self._at += 1
            if not brace or self._take("}"):
                return int(digit.text)
        self._at = start
        return 1

    def _sum(self) -> Node:
        self._depth += 1
        if self._depth > DEEPEST:
            raise NotUnderstoodError("brackets are nested too deeply")
        sign = self._take("+", "-")
        node = self._product()
        node = Node("neg", (node,)) if sign == "-" else node
        while sign := self._take("+", "-"):
            term = self._product()
            node = Node("+", (node, Node("neg", (term,)) if sign == "-" else term))
        self._depth -= 1
        return node

    def _product(self) -> Node:
        node = self._factor(mixed=True)
        divided = numerals = False
        while True:
            if self._take("*"):
                node, divided = Node("*", (node, self._signed_factor(mixed=True))), False
            elif self._take("/"):
                under = self._signed_factor(mixed=False)
                numerals = node.kind == under.kind == "number"
                node, divided = Node("/", (node, under)), True
            elif self._starts_factor():
                if divided and not numerals:
                    raise NotUnderstoodError("a/bc may be (a/b)c or a/(bc)")
                node = Node("*", (node, self._factor(mixed=False)))
            elif self._ahead("°") and self._words[self._at + 1].text in ("+", "-", ")", "}"):
                self._at += 1
                self._degrees = True
            else:
                return node

    def _starts_factor(self) -> bool:
        token = self._next
        if token.kind == "number":
            raise NotUnderstoodError("two numbers side by side")
        if token.kind == "sign" and token.text != "(":
            return token.text in _STARTS or (token.text == "|" and not self._bars)
        if token.kind not in ("word", "name", "function", "sign"):
            return False
        start = self._at
        unit = self._unit()
        self._at = start
        return unit is None

    def _signed_factor(self, *, mixed: bool) -> Node:
        if self._take("-"):
            return Node("neg", (self._factor(mixed=False),))
        return self._factor(mixed=mixed)

    def _factor(self, *, mixed: bool) -> Node:
        node = self._atom(mixed=mixed)
        if self._take("^"):
            node = Node("^", (node, self._exponent()))
        elif self._take("!"):
            node = Node("!", (node,))
        if self._ahead("^") or self._ahead("!"):
            raise NotUnderstoodError("a tower of powers")
        return node

    def _exponent(self) -> Node:
        if self._take("{"):
            node = self._sum()
            self._need("}")
            return node
        if self._take("-"):
            return Node("neg", (self._number(mixed=False),))
        return self._atom(mixed=False)

    def _atom(self, *, mixed: bool) -> Node:
        token = self._next
        if token.kind == "number":
            return self._number(mixed=mixed)
        if token.kind in ("word", "name"):
            return self._name()
        if token.kind == "function":
            return self._function()
        rule = _RULES.get(token.text) if token.kind == "sign" else None
        if rule is None:
            raise NotUnderstoodError(f"{token.text!r} begins no expression")
        self._at += 1
        return rule(self)

    def _number(self, *, mixed: bool) -> Node:
        text = self._next.text.replace(",", "")
        self._at += 1
        whole, _, period = text.partition("\\overline")
        decimals = len(whole.partition(".")[2]) if "e" not in whole.lower() else 0
        value = Fraction(whole if not whole.endswith(".") else whole + "0")
        if period:
            digits = re.sub(r"\D", "", period)
            value += Fraction(int(digits), (10 ** len(digits) - 1) * 10**decimals)
            decimals = 0
        if mixed and text.isdecimal() and (part := self._proper_fraction()):
            return Node("number", value=value + part)
        return Node("number", value=value, decimals=decimals)

    def _proper_fraction(self) -> Fraction | None:
        r"""The 1/2 of "4 1/2" or of "4\frac{1}{2}"; an improper one is refused, as it may be meant as a product."""
        start, token = self._at, self._next
        if self._take("frac"):
            top, bottom = self._argument(), self._argument()
        elif token.kind == "number" and token.spaced and self._ahead("/", 1):
            top = self._number(mixed=False)
            self._need("/")
            if self._next.kind != "number":
                raise NotUnderstoodError("a mixed number without its denominator")
            bottom = self._number(mixed=False)
        else:
            return None
        if not isinstance(top.value, Fraction) or not isinstance(bottom.value, Fraction):
            self._at = start
            return None
        if not 0 < top.value < bottom.value or self._ahead("^") or self._ahead("!"):
            raise NotUnderstoodError("no mixed number")
        return top.value / bottom.value

    def _argument(self) -> Node:
        r"""An argument of \frac: a group, or one digit or letter."""
        if self._take("{"):
            node = self._sum()
            self._need("}")
            return node
        token = self._next
        if token.kind == "number" and token.text.isdecimal() and len(token.text) > 1:
            self._words[self._at] = Token("number", token.text[1:], spaced=False)
            return Node("number", value=Fraction(token.text[0]))
        if token.kind in ("number", "word", "name") or self._ahead("π"):
            return self._atom(mixed=False)
        raise NotUnderstoodError("an argument is missing")

    def _name(self) -> Node:
        token = self._next
        text = token.text
        if token.kind == "word" and text == "m" and self._ahead("∠", 1):  # the measure of an angle
            self._at += 1
            return self._atom(mixed=False)
        if token.kind == "word" and not (text.isascii() and (len(text) == 1 or (text.isupper() and len(text) < 6))):
            if len(text) > 2 or not text.isascii() or text.lower() in _NO_PRODUCTS or unit_named(text):
                raise NotUnderstoodError(f"{text!r} is a word")
            self._words[self._at] = Token("word", text[1:], spaced=False)
            return Node("name", value=text[0])
        self._at += 1
        if self._next.kind == "sub":
            text += re.sub(r"[\\{}\s]|(?<=\\)[a-z]*", "", self._next.text)
            self._at += 1
        while prime := self._take("'", "''"):
            text += prime
        return Node("name", value=text)

    def _function(self) -> Node:
        name, base, power = self._next.text, "", None
        self._at += 1
        if self._next.kind == "sub":
            base = re.sub(r"[_{}\s]", "", self._next.text)
            self._at += 1
        if self._take("^"):
            power = self._exponent()
        outer, self._degrees = self._degrees, False
        argument = self._function_argument()
        if argument.kind == "quantity" and argument.value == DEGREE:
            argument = Node("*", (argument.parts[0], _HALF_TURN))
        elif self._degrees or self._take("°"):
            argument = Node("*", (argument, _HALF_TURN))
        self._degrees = outer
        if (name == "log") < bool(base):
            raise NotUnderstoodError(f"{name} with a base")
        if power is not None and power == Node("neg", (Node("number", value=Fraction(1)),)):
            if name not in _TRIGONOMETRIC:
                raise NotUnderstoodError(f"{name} to the -1")
            return Node("call", (argument,), f"arc{name}")
        node = Node("call", (argument, *self._base(base)), name)
        return node if power is None else Node("^", (node, power))

    def _base(self, text: str) -> tuple[Node, ...]:
        return (Parser(tokens(text, thousands=False), self._names).answer(),) if text else ()

    def _function_argument(self) -> Node:
        if self._ahead("(") or self._ahead("{"):
            return self._atom(mixed=False)
        node = self._factor(mixed=False)
        while self._next.kind != "function" and not self._ahead("(") and self._starts_factor():
            node = Node("*", (node, self._factor(mixed=False)))
        return node

    def _braces(self) -> Node:
        """A group, or a set that was written without backslashes."""
        items = [self._sum()]
        while self._take(","):
            items.append(self._sum())
        self._need("}")
        return items[0] if len(items) == 1 else Node("set", tuple(items))

    def _bracketed(self) -> Node:
        """A group, or a collection: a tuple, an interval, a set."""
        opening = self._words[self._at - 1].text
        self._depth += 1
        if self._depth > DEEPEST:
            raise NotUnderstoodError("brackets are nested too deeply")
        items = [] if opening == "\\{" and self._ahead("\\}") else self._statements()
        closing = self._need(*_CLOSE)
        self._depth -= 1
        if (opening == "\\{") != (closing == "\\}") or any(item.kind in ("relation", "list") for item in items):
            raise NotUnderstoodError("brackets that do not match")
        if opening == "\\{":
            return Node("set", tuple(items))
        if len(items) == 1 and (opening, closing) == ("(", ")"):
            return items[0]
        if len(items) == 1 and (opening, closing) != ("[", "]"):
            raise NotUnderstoodError("brackets that do not match")
        return Node("tuple", tuple(items), opening + closing)

    def _bar(self) -> Node:
        self._bars += 1
        node = self._sum()
        self._need("|")
        self._bars -= 1
        return Node("abs", (node,))

    def _root(self) -> Node:
        index = "2"
        if self._take("["):
            index = self._next.text
            self._at += 1
            self._need("]")
        if index not in ("2", "3", "4", "5", "6"):
            raise NotUnderstoodError(f"root {index}")
        token = self._next
        if token.kind == "number" or token.kind == "name" or (token.kind == "word" and len(token.text) == 1):
            return Node("root", (self._atom(mixed=False),), index)
        if token.text in ("(", "{", "π", "frac") and token.kind == "sign":
            return Node("root", (self._atom(mixed=False),), index)
        raise NotUnderstoodError("the root of what?")

    def _fraction(self) -> Node:
        return Node("/", (self._argument(), self._argument()))

    def _binomial(self) -> Node:
        return Node("binom", (self._argument(), self._argument()))

    def _geometric_name(self) -> Node:
        """An angle's, a triangle's, a circle's name."""
        sign, name = self._words[self._at - 1].text, ""
        while self._next.kind in ("word", "number", "name") and (self._next.text.isupper() or not name):
            name += self._next.text
            self._at += 1
        if not name:
            raise NotUnderstoodError("a name is missing")
        return Node("name", value=sign + name)

    def _overlined(self) -> Node:
        self._need("{")
        name = self._name()
        self._need("}")
        return Node("name", value=f"over {name.value}")


_RULES: dict[str, Callable[[Parser], Node]] = {
    **dict.fromkeys(_OPEN, Parser._bracketed),
    **dict.fromkeys("∠△⊙", Parser._geometric_name),
    "{": Parser._braces,
    "|": Parser._bar,
    "√": Parser._root,
    "frac": Parser._fraction,
    "binom": Parser._binomial,
    "over": Parser._overlined,
    "π": lambda _: Node("name", value="π"),
    "∞": lambda _: Node("infinity"),
    "∅": lambda _: Node("set"),
}
"""Sign -> the rule of the atom that begins with it."""
