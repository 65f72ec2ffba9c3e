"""What an expression's tree means: an exact value, an approximate one, LaTeX for math-verify."""

import cmath
import math
from collections.abc import Callable, Mapping
from fractions import Fraction

from full_scale.verifier.exact import MOST_BITS, Exact, InexactError, named, rational, square_root
from full_scale.verifier.grammar import Node

LARGEST_FACTORIAL = 170
LARGEST_BINOMIAL = 500


def exact(node: Node) -> Exact:
    """The exact value of an expression.

    Args:
        node: Of a kind that is a number or an expression.

    Returns:
        Its value.

    Raises:
        InexactError: It has functions, other roots than square roots, or large numbers.
    """
    rule = _EXACT.get(node.kind)
    if rule is None:
        raise InexactError(f"{node.kind} has no exact value")
    return rule(node)


def _number(node: Node) -> Exact:
    if not isinstance(node.value, Fraction):
        raise TypeError(f"value={node.value!r}: expected a Fraction in a number's node")
    return rational(node.value)


def _power(node: Node) -> Exact:
    base, exponent = exact(node.parts[0]), exact(node.parts[1]).as_fraction()
    if exponent is None:
        raise InexactError("a name in an exponent")
    if exponent == Fraction(1, 2):
        return square_root(base)
    if exponent.denominator != 1:
        raise InexactError("a broken exponent")
    number = base.as_fraction()
    if number is None or not number:
        return base.power(int(exponent))
    size = max(abs(number.numerator), number.denominator).bit_length()
    if size * abs(exponent) > MOST_BITS:
        raise InexactError("a large power")
    return rational(number ** int(exponent))


def _root(node: Node) -> Exact:
    value, index = exact(node.parts[0]), int(str(node.value))
    if index == 2:
        return square_root(value)
    number = value.as_fraction()
    if number is None:
        raise InexactError("the root of a name")
    top, bottom = (_integer_root(part, index) for part in (abs(number.numerator), number.denominator))
    if top is None or bottom is None or (number < 0 and index % 2 == 0):
        raise InexactError("a root that is no rational number")
    return rational(Fraction(-top if number < 0 else top, bottom))


def _integer_root(number: int, index: int) -> int | None:
    if number > 10**15:
        return None
    near = round(number ** (1 / index))
    return next((root for root in (near - 1, near, near + 1) if root >= 0 and root**index == number), None)


def _absolute(node: Node) -> Exact:
    value = exact(node.parts[0])
    number = value.as_fraction()
    if number is None:
        raise InexactError("the size of a name")
    return rational(abs(number))


def _whole(node: Node, largest: int) -> int:
    number = exact(node).as_fraction()
    if number is None or number.denominator != 1 or not 0 <= number <= largest:
        raise InexactError("a factorial of what is no small whole number")
    return int(number)


def _factorial(node: Node) -> Exact:
    return rational(math.factorial(_whole(node.parts[0], LARGEST_FACTORIAL)))


def _binomial(node: Node) -> Exact:
    return rational(math.comb(*(_whole(part, LARGEST_BINOMIAL) for part in node.parts)))


_EXACT: dict[str, Callable[[Node], Exact]] = {
    "number": _number,
    "name": lambda node: named(str(node.value)),
    "neg": lambda node: -exact(node.parts[0]),
    "+": lambda node: exact(node.parts[0]) + exact(node.parts[1]),
    "*": lambda node: exact(node.parts[0]) * exact(node.parts[1]),
    "/": lambda node: exact(node.parts[0]) / exact(node.parts[1]),
    "^": _power,
    "root": _root,
    "abs": _absolute,
    "!": _factorial,
    "binom": _binomial,
}

_CONSTANTS: dict[str, complex] = {"π": math.pi, "e": math.e, "i": 1j}


def approximate(node: Node, point: Mapping[str, complex]) -> complex:
    """The value of an expression as a float.

    Args:
        node: Of a kind that is a number or an expression.
        point: Values of its names; pi, e and i have their own.

    Returns:
        Its value.

    Raises:
        InexactError: It has none there, or none that a float can hold.
    """
    try:
        value = _approximate(node, point)
    except (ArithmeticError, ValueError, KeyError) as error:
        raise InexactError(str(error)) from error
    if not cmath.isfinite(value):
        raise InexactError("not finite")
    return value


def _approximate(node: Node, point: Mapping[str, complex]) -> complex:
    if node.kind == "number":
        return complex(float(node.value))  # type: ignore[arg-type]  # a Fraction
    if node.kind == "name":
        return _CONSTANTS.get(str(node.value)) or point[str(node.value)]
    if node.kind in ("!", "binom"):
        return complex(float(exact(node).as_fraction() or 0))
    values = [_approximate(part, point) for part in node.parts]
    return (
        _APPROXIMATE[str(node.value) if node.kind == "call" else node.kind](*values)
        if node.kind != "root"
        else (values[0] ** (1 / int(str(node.value))))
    )


_APPROXIMATE: dict[str, Callable[..., complex]] = {
    "neg": lambda a: -a,
    "+": lambda a, b: a + b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "^": lambda a, b: a**b,
    "abs": lambda a: complex(abs(a)),
    "sin": cmath.sin,
    "cos": cmath.cos,
    "tan": cmath.tan,
    "cot": lambda a: 1 / cmath.tan(a),
    "sec": lambda a: 1 / cmath.cos(a),
    "csc": lambda a: 1 / cmath.sin(a),
    "arcsin": cmath.asin,
    "arccos": cmath.acos,
    "arctan": cmath.atan,
    "sinh": cmath.sinh,
    "cosh": cmath.cosh,
    "tanh": cmath.tanh,
    "exp": cmath.exp,
    "ln": cmath.log,
    "lg": cmath.log10,
    "log": lambda a, base=10.0: cmath.log(a) / cmath.log(base),
}


def names_of(node: Node) -> frozenset[str]:
    """The names in an answer, without pi, e and i.

    Args:
        node: Any tree.

    Returns:
        For example {"x", "y"}.
    """
    own = {node.value} if node.kind == "name" and node.value not in _CONSTANTS else set()
    return frozenset(str(name) for name in own).union(*map(names_of, node.parts))


def latex(node: Node) -> str:
    r"""An expression as LaTeX that leaves nothing to guess.

    Args:
        node: Of a kind that is a number or an expression.

    Returns:
        For example "\left(\frac{1}{2}\right) \cdot \left(x\right)".
    """
    return _LATEX[node.kind](node, *map(latex, node.parts))


def _latex_number(node: Node) -> str:
    value = node.value if isinstance(node.value, Fraction) else Fraction(0)
    return str(value) if value.denominator == 1 else rf"\frac{{{value.numerator}}}{{{value.denominator}}}"


def _latex_name(node: Node) -> str:
    return {"π": r"\pi"}.get(str(node.value), str(node.value) if len(str(node.value)) == 1 else rf"\{node.value}")


def _latex_call(node: Node, argument: str, base: str = "") -> str:
    name, index = {"lg": ("log", "10")}.get(str(node.value), (str(node.value), base))
    index = "10" if name == "log" and not index else index
    return rf"\{name}{f'_{{{index}}}' if index else ''}\left({argument}\right)"


_LATEX: dict[str, Callable[..., str]] = {
    "number": _latex_number,
    "name": _latex_name,
    "neg": lambda _, a: rf"-\left({a}\right)",
    "+": lambda _, a, b: rf"{a} + \left({b}\right)",
    "*": lambda _, a, b: rf"\left({a}\right) \cdot \left({b}\right)",
    "/": lambda _, a, b: rf"\frac{{{a}}}{{{b}}}",
    "^": lambda _, a, b: rf"\left({a}\right)^{{{b}}}",
    "root": lambda node, a: rf"\sqrt[{node.value}]{{{a}}}" if node.value != "2" else rf"\sqrt{{{a}}}",
    "abs": lambda _, a: rf"\left|{a}\right|",
    "!": lambda _, a: rf"\left({a}\right)!",
    "binom": lambda _, a, b: rf"\binom{{{a}}}{{{b}}}",
    "call": _latex_call,
}
