"""Exact arithmetic for answers: fractions of polynomials with rational coefficients, square roots and names.

Two answers are equal only where they are the same number or expression, not where two floats are close. A value is a
quotient of polynomials; a monomial is a square-free number under a root and powers of names, pi among them (pi and e
are transcendental, so that they may be treated as names; i is the imaginary unit). Equality needs no normal form of
the quotient: a/b = c/d where ad = bc.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

Powers = tuple[tuple[str, int], ...]
"""Names with their positive powers, in order."""

Monomial = tuple[int, Powers]
"""A square-free positive number under the root, and a product of names."""

Polynomial = Mapping[Monomial, Fraction]
"""Monomial -> coefficient, never zero; empty for 0."""

ONE: Monomial = (1, ())
MOST_TERMS = 60
MOST_BITS = 2000
LARGEST_RADICAND = 10**12


class InexactError(ValueError):
    """The value cannot be computed in this arithmetic, or is too large for it."""


@dataclass(frozen=True)
class Exact:
    """A quotient of two polynomials.

    Args:
        numerator: Empty for zero.
        denominator: Never empty.
    """

    numerator: Polynomial
    denominator: Polynomial

    def __add__(self, other: "Exact") -> "Exact":
        """The sum."""
        if self.denominator == other.denominator:
            return Exact(_sum(self.numerator, other.numerator), self.denominator)
        left, right = _product(self.numerator, other.denominator), _product(other.numerator, self.denominator)
        return Exact(_sum(left, right), _product(self.denominator, other.denominator))

    def __mul__(self, other: "Exact") -> "Exact":
        """The product."""
        return Exact(_product(self.numerator, other.numerator), _product(self.denominator, other.denominator))

    def __truediv__(self, other: "Exact") -> "Exact":
        """The quotient; :class:`InexactError` for a division by zero."""
        if not other.numerator:
            raise InexactError("division by zero")
        return self * Exact(other.denominator, other.numerator)

    def __neg__(self) -> "Exact":
        """The value with the other sign."""
        return self * rational(-1)

    def __sub__(self, other: "Exact") -> "Exact":
        """The difference."""
        return self + -other

    def power(self, exponent: int) -> "Exact":
        """An integer power, by repeated multiplication.

        Args:
            exponent: At most 100 in size.

        Returns:
            The power; 0 to the 0 and larger exponents are :class:`InexactError`.
        """
        if abs(exponent) > 100 or (exponent == 0 and not self.numerator):
            raise InexactError(f"power {exponent}")
        result = rational(1)
        for _ in range(abs(exponent)):
            result = result * self
        return result if exponent >= 0 else rational(1) / result

    def equals(self, other: "Exact") -> bool:
        """Whether both are the same number or expression: a/b = c/d where ad = bc."""
        return _product(self.numerator, other.denominator) == _product(other.numerator, self.denominator)

    def proportional(self, other: "Exact") -> bool:
        """Whether one is a constant times the other, and neither is zero: two forms of one equation f = 0."""
        left, right = _product(self.numerator, other.denominator), _product(other.numerator, self.denominator)
        if not left or left.keys() != right.keys():
            return False
        return len({coefficient / right[monomial] for monomial, coefficient in left.items()}) == 1

    def as_fraction(self) -> Fraction | None:
        """The rational number that this is; None for a root, pi or a name."""
        monomial = next(iter(self.denominator))
        factor = self.numerator.get(monomial, Fraction(0)) / self.denominator[monomial]
        return factor if self.equals(rational(factor)) else None


def rational(value: int | Fraction) -> Exact:
    """A rational number."""
    return Exact({ONE: Fraction(value)} if value else {}, {ONE: Fraction(1)})


def named(name: str) -> Exact:
    """A name: a variable, pi or e."""
    return Exact({(1, ((name, 1),)): Fraction(1)}, {ONE: Fraction(1)})


def square_root(value: Exact) -> Exact:
    r"""The square root of a rational number that is not negative.

    Args:
        value: For example 63/4.

    Returns:
        For example 3/2 \sqrt{7}; anything else is :class:`InexactError`.

    Example:
        >>> square_root(rational(Fraction(63, 4))).equals(square_root(rational(7)) * rational(Fraction(3, 2)))
        True
    """
    number = value.as_fraction()
    if number is None or number < 0:
        raise InexactError("the root of what is no positive rational number")
    outside, inside = _square_free(number.numerator * number.denominator)
    root = Exact({(inside, ()): Fraction(outside)} if number else {}, {ONE: Fraction(1)})
    return root * rational(Fraction(1, number.denominator))


def _square_free(number: int) -> tuple[int, int]:
    """(a, b) with number = a² b and b square-free: beyond its cube root only p, p² or pq can be left."""
    if number > LARGEST_RADICAND:
        raise InexactError("a large number under the root")
    outside, inside, rest, divisor = 1, 1, number, 2
    while divisor**3 <= rest:
        count = 0
        while rest % divisor == 0:
            rest, count = rest // divisor, count + 1
        outside, inside = outside * divisor ** (count // 2), inside * divisor ** (count % 2)
        divisor += 1
    root = math.isqrt(rest)
    return (outside * root, inside) if root * root == rest else (outside, inside * rest)


def _sum(left: Polynomial, right: Polynomial) -> Polynomial:
    total = dict(left)
    for monomial, coefficient in right.items():
        total[monomial] = total.get(monomial, Fraction(0)) + coefficient
    return _bounded(total)


def _product(left: Polynomial, right: Polynomial) -> Polynomial:
    if len(left) * len(right) > MOST_TERMS**2:
        raise InexactError("too many terms")
    total: dict[Monomial, Fraction] = {}
    for (left_root, left_names), a in left.items():
        for (right_root, right_names), b in right.items():
            common = math.gcd(left_root, right_root)  # √6 √10 = 2 √15
            names, sign = _joined(left_names, right_names)
            monomial = (left_root * right_root // common**2, names)
            total[monomial] = total.get(monomial, Fraction(0)) + a * b * common * sign
    return _bounded(total)


def _joined(left: Powers, right: Powers) -> tuple[Powers, int]:
    """The powers of a product of monomials, and its sign: i² = -1."""
    if not left or not right:
        return left or right, 1
    powers = dict(left)
    for name, power in right:
        powers[name] = powers.get(name, 0) + power
    turns = powers.pop("i", 0)
    if turns % 2:
        powers["i"] = 1
    return tuple(sorted(powers.items())), (-1) ** (turns // 2)


def _bounded(total: dict[Monomial, Fraction]) -> Polynomial:
    """Without zeros; :class:`InexactError` beyond the limits, so that no answer costs time or memory."""
    kept = {monomial: coefficient for monomial, coefficient in total.items() if coefficient}
    if len(kept) > MOST_TERMS:
        raise InexactError("too many terms")
    for (root, _), coefficient in kept.items():
        if root.bit_length() + coefficient.numerator.bit_length() + coefficient.denominator.bit_length() > MOST_BITS:
            raise InexactError("a large number")
    return kept
