"""Whether two parsed answers are the same answer."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from fractions import Fraction
from itertools import pairwise

from full_scale.verifier.checker import symbolically_equal
from full_scale.verifier.exact import Exact, InexactError
from full_scale.verifier.grammar import Node
from full_scale.verifier.units import PERCENT, Unit
from full_scale.verifier.values import approximate, exact, latex, names_of

_POINTS = (0.7391, -1.3127, 2.1713)
_ROUNDED_DECIMALS = 6
_MOST_DECIMALS = 12
_INFINITY = Node("infinity")
_FLIPPED = str.maketrans("<>≤≥", "><≥≤")
_COLLECTIONS = ("tuple", "set", "list", "union")


def same(given: Node, wanted: Node) -> bool:
    """Whether two answers are the same.

    Args:
        given: The model's.
        wanted: The ground truth.

    Returns:
        The verdict: exact for numbers and polynomials, element by element for collections, by math-verify for
        functions.
    """
    try:
        return given == wanted or _same(given, wanted)
    except InexactError:
        return False


def has_value(node: Node) -> bool:
    """Whether an answer can be compared by value, not only as it is written.

    Args:
        node: An answer.

    Returns:
        False for a tower of powers or a factorial that is too large, or a collection with one in it.
    """
    if node.kind in (*_COLLECTIONS, "relation", "ratio", "quantity"):
        return all(map(has_value, node.parts))
    if node in (_INFINITY, Node("neg", (_INFINITY,))):
        return True
    point = dict.fromkeys(names_of(node), complex(_POINTS[0]))
    evaluations: tuple[Callable[[Node], object], ...] = (exact, lambda one: approximate(one, point))
    for evaluate in evaluations:
        with suppress(InexactError):
            evaluate(node)
            return True
    return False


def _same(given: Node, wanted: Node) -> bool:
    if (given.value == "∈") != (wanted.value == "∈"):
        given, wanted = (node.parts[1] if node.value == "∈" else node for node in (given, wanted))
    if (given.kind in ("tuple", "union")) != (wanted.kind in ("tuple", "union")):
        given, wanted = as_interval(given), as_interval(wanted)
    if given.kind == "relation" or wanted.kind == "relation":
        return _same_relation(given, wanted)
    if given.kind == "ratio" or wanted.kind == "ratio":
        return _same_ratio(given, wanted)
    if given.kind in _COLLECTIONS or wanted.kind in _COLLECTIONS:
        return _same_collection(given, wanted)
    return _same_quantity(given, wanted)


def as_interval(node: Node) -> Node:
    """An inequality of one name as the interval that it means, several as their union.

    Args:
        node: An answer.

    Returns:
        For x > 2 the interval (2, ∞); any other answer itself.
    """
    if node.kind == "list":
        intervals = tuple(as_interval(part) for part in node.parts if part.kind == "relation")
        meant = len(intervals) == len(node.parts) and all(one.kind == "tuple" for one in intervals)
        return Node("union", intervals) if meant else node
    signs, sides = str(node.value), node.parts
    if node.kind != "relation" or len(signs) >= len(sides):
        return node
    if signs[0] in ">≥":
        signs, sides = signs[::-1].translate(_FLIPPED), sides[::-1]
    if set(signs) - set("<≤"):
        return node
    if len(sides) == 2:
        before = not _is_label(sides[0])
        sides = (*sides, _INFINITY) if before else (Node("neg", (_INFINITY,)), *sides)
        signs = f"{signs}<" if before else f"<{signs}"
    if len(sides) != 3 or not _is_label(sides[1]) or names_of(sides[0]) | names_of(sides[2]):
        return node
    return Node("tuple", (sides[0], sides[2]), f"{'(['[signs[0] == '≤']}{')]'[signs[1] == '≤']}")


def _same_relation(given: Node, wanted: Node) -> bool:
    (name, value), (true_name, truth) = statement(given), statement(wanted)
    if value is not None and truth is not None:
        same_name = name is None or true_name is None or _same_name(name, true_name)
        agree = same_name and any(same(one, other) for one in value for other in truth)
        return agree or _same_equation(given, wanted)
    return _same_equation(given, wanted) or _same_inequality(given, wanted)


def statement(node: Node) -> tuple[Node | None, Sequence[Node] | None]:
    """What a chain of relations states.

    Args:
        node: An answer.

    Returns:
        The name and the equal forms of one value: "S = 3 + 4 = 7" is (S, [3 + 4, 7]); (None, None) where there is none.
    """
    if node.kind != "relation":
        return None, [node]
    relations, sides = str(node.value), list(node.parts)
    if len(relations) == len(sides):  # "≈ 8.5": right where the ground truth is itself a rounded number
        return None, [Node("rounded", (sides[0],))]
    if set(relations) - set("=≈∈"):
        return None, None
    if not _is_label(sides[0]) and _is_label(sides[-1]) and len(sides) == 2:
        sides.reverse()
    name = sides.pop(0) if _is_label(sides[0]) else None
    if name is not None and relations[0] == "≈":
        return name, [Node("rounded", (sides[0],))] if len(sides) == 1 else None
    while name is not None and len(sides) > 1 and _is_label(sides[0]):  # ∠1 = ∠2 = 65°
        sides.pop(0)
        relations = relations[1:]
    steps = zip(pairwise(sides), relations[name is not None :], strict=True)
    return (name, sides) if all(_follows(*pair, sign) for pair, sign in steps) else (None, None)


def _is_label(node: Node) -> bool:
    """Whether a side only names a value: x, AB, ∠1, f(x), (x, y)."""
    if node.kind in ("*", "tuple", "call"):
        return all(map(_is_label, node.parts))
    return node.kind == "name" and node.value not in ("π", "e", "i")


def _follows(left: Node, right: Node, relation: str) -> bool:
    if relation == "≈":
        return _is_rounding(right, left) or same(left, right)
    return same(left, right)


def _is_rounding(decimal: Node, value: Node) -> bool:
    """Whether a decimal number is another value, rounded to its decimals."""
    unit_free = [node.parts[0] if node.kind == "quantity" else node for node in (decimal, value)]
    number, places = _decimal(unit_free[0])
    if number is None or places > _MOST_DECIMALS or names_of(unit_free[1]):
        return False
    true = approximate(unit_free[1], {})
    half = 10.0**-places / 2
    return abs(true - float(number)) <= half * (1 + 1e-9)


def _decimal(node: Node) -> tuple[Fraction | None, int]:
    if node.kind == "neg":
        number, places = _decimal(node.parts[0])
        return (None if number is None else -number), places
    is_number = node.kind == "number" and isinstance(node.value, Fraction)
    return (node.value if is_number else None), node.decimals  # type: ignore[return-value]


def _same_name(name: Node, true_name: Node) -> bool:
    """Whether two names mean one thing; x_1 is one of several x."""
    base, sub, number = str(name.value).partition("_")
    return same(name, true_name) or bool(sub and number.isdecimal() and base == true_name.value)


def _same_equation(given: Node, wanted: Node) -> bool:
    """Whether two equations f = 0 and g = 0 have f proportional to g."""
    if not (given.kind == wanted.kind == "relation" and given.value == wanted.value == "="):
        return False
    left, right = (exact(side[0]) - exact(side[1]) for side in (given.parts, wanted.parts))
    return bool(names_of(given)) and left.proportional(right)


def _same_inequality(given: Node, wanted: Node) -> bool:
    if not (given.kind == wanted.kind == "relation" and len(given.parts) == len(wanted.parts)):
        return False
    relations = str(wanted.value)
    for sides, signs in (
        (given.parts, str(given.value)),
        (given.parts[::-1], str(given.value)[::-1].translate(_FLIPPED)),
    ):
        if signs == relations and len(signs) < len(sides) and all(map(same, sides, wanted.parts)):
            return not set(signs) & set("=≈∈")
    return False


def _same_ratio(given: Node, wanted: Node) -> bool:
    """1:3 is 2:6, and of two numbers also their quotient."""
    left, right = ([exact(part) for part in _terms(node)] for node in (given, wanted))
    if len(left) != len(right):
        return False
    return all((a * right[0]).equals(b * left[0]) for a, b in zip(left, right, strict=True)) and bool(
        left[0].numerator and right[0].numerator
    )


def _terms(node: Node) -> tuple[Node, ...]:
    if node.kind == "ratio":
        return node.parts
    return node.parts if node.kind == "/" else (node, Node("number", value=Fraction(1)))


def _same_collection(given: Node, wanted: Node) -> bool:
    kinds = {given.kind, wanted.kind}
    if len(given.parts) != len(wanted.parts) or not kinds <= set(_COLLECTIONS):
        return False
    if kinds <= {"set", "list"} or kinds == {"union"}:
        return _same_in_any_order(list(given.parts), wanted.parts)
    brackets = {node.value for node in (given, wanted) if node.kind == "tuple"}
    ordered = kinds == {"tuple"} or (kinds == {"tuple", "list"} and brackets == {"()"})
    return ordered and len(brackets) == 1 and all(map(same, given.parts, wanted.parts))


def _same_in_any_order(given: list[Node], wanted: Sequence[Node]) -> bool:
    for item in wanted:
        match = next((one for one in given if same(one, item)), None)
        if match is None:
            return False
        given.remove(match)
    return True


def _same_quantity(given: Node, wanted: Node) -> bool:
    (value, unit), (truth, true_unit) = measured(given), measured(wanted)
    if PERCENT in (unit, true_unit):
        return _same_percentage(value, unit, truth, true_unit)
    if unit is None or true_unit is None:
        return equal_expressions(value, truth)
    if unit.contradicts(true_unit):
        return False
    factor = unit.converts_to(true_unit)
    return equal_expressions(value if factor == 1 else Node("*", (value, Node("number", value=factor))), truth)


def measured(node: Node) -> tuple[Node, Unit | None]:
    """A number and its unit.

    Args:
        node: An expression or a quantity.

    Returns:
        The expression, and None where no unit is written.
    """
    if node.kind == "rounded":
        value, unit = measured(node.parts[0])
        return Node("rounded", (value,)), unit
    return (node.parts[0], node.value) if isinstance(node.value, Unit) else (node, None)


def _same_percentage(value: Node, unit: Unit | None, truth: Node, true_unit: Unit | None) -> bool:
    """The truth 25% is 25%, 25 and 0.25; the truth 25 is 25%; the truth 0.25 is 25% too, but 42 is not 4200%."""
    if unit is not None and true_unit is not None:
        return unit == true_unit and equal_expressions(value, truth)
    hundred = Node("number", value=Fraction(100))
    if unit is None:
        return equal_expressions(value, truth) or equal_expressions(Node("*", (value, hundred)), truth)
    number = exact(truth).as_fraction() if not names_of(truth) else None
    is_part = number is not None and 0 < abs(number) < 1
    return equal_expressions(Node("/", (value, hundred)) if is_part else value, truth)


def equal_expressions(given: Node, wanted: Node) -> bool:
    """Whether two expressions are equal: exactly, or, where functions are in them, in value and by math-verify.

    Args:
        given: An expression, or "rounded" around one that is stated as approximate.
        wanted: The ground truth.

    Returns:
        The verdict. A number with six or more decimals is also equal to a value that is no finite decimal number where
        it is that value, correctly rounded (as in math-verify).
    """
    if given.kind == "rounded":
        return _decimal(wanted)[1] > 0 and equal_expressions(given.parts[0], wanted)
    try:
        left, right = exact(given), exact(wanted)
    except InexactError:
        return _equal_functions(given, wanted)
    return left.equals(right) or _is_long_rounding(given, wanted, right) or _is_long_rounding(wanted, given, left)


def _is_long_rounding(decimal: Node, node: Node, value: Exact) -> bool:
    number = value.as_fraction()
    is_decimal = number is not None and 10**_MOST_DECIMALS % number.denominator == 0
    return not is_decimal and _decimal(decimal)[1] >= _ROUNDED_DECIMALS and _is_rounding(decimal, node)


def _equal_functions(given: Node, wanted: Node) -> bool:
    names = sorted(names_of(given) | names_of(wanted))
    for shift in _POINTS:
        point = {name: shift + 0.1937 * place for place, name in enumerate(names)}
        left, right = approximate(given, point), approximate(wanted, point)
        if abs(left - right) > 1e-9 * max(1.0, abs(left), abs(right)):
            return False
    return symbolically_equal(latex(given), latex(wanted))
