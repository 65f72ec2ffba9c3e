"""Exact arithmetic against values by hand."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from full_scale.verifier.exact import Exact, InexactError, named, rational, square_root

X, Y, IMAGINARY = named("x"), named("y"), named("i")
ONE, TWO, THREE = rational(1), rational(2), rational(3)
FRACTIONS = st.fractions(min_value=-50, max_value=50, max_denominator=20)


@given(a=FRACTIONS, b=FRACTIONS)
def test_rational_numbers_are_fractions(a, b):
    left, right = rational(a), rational(b)
    assert (left + right).as_fraction() == a + b
    assert (left - right).as_fraction() == a - b
    assert (left * right).as_fraction() == a * b
    assert (-left).as_fraction() == -a
    assert left.equals(right) is (a == b)
    if b:
        assert (left / right).as_fraction() == a / b


@pytest.mark.parametrize(
    ("radicand", "outside", "inside"),
    [
        (Fraction(0), 0, 1),
        (Fraction(1), 1, 1),
        (Fraction(7), 1, 7),
        (Fraction(8), 2, 2),
        (Fraction(12), 2, 3),
        (Fraction(252), 6, 7),
        (Fraction(27), 3, 3),
        (Fraction(32), 4, 2),
        (Fraction(49), 7, 1),
        (Fraction(121), 11, 1),
        (Fraction(77), 1, 77),
        (Fraction(1, 2), Fraction(1, 2), 2),
        (Fraction(63, 4), Fraction(3, 2), 7),
        (Fraction(10**12), 10**6, 1),
        (Fraction(999983**2), 999983, 1),
    ],
)
def test_square_roots(radicand, outside, inside):
    assert square_root(rational(radicand)).numerator == ({(inside, ()): Fraction(outside)} if outside else {})


@given(a=st.integers(1, 400), b=st.integers(1, 400))
def test_a_product_of_roots_is_the_root_of_the_product(a, b):
    product = square_root(rational(a)) * square_root(rational(b))
    assert product.equals(square_root(rational(a * b)))
    assert (square_root(rational(a)) * square_root(rational(a))).as_fraction() == a


@pytest.mark.parametrize("value", [rational(-1), X, square_root(TWO), rational(10**12 + 1)])
def test_what_has_no_exact_root(value):
    with pytest.raises(InexactError):
        square_root(value)


def test_polynomials():
    assert ((X + Y) * (X - Y)).equals(X * X - Y * Y)
    assert not ((X + Y) * (X + Y)).equals(X * X + Y * Y)
    assert ((X * X - ONE) / (X - ONE)).equals(X + ONE)
    assert (X + Y).power(2).equals(X * X + TWO * X * Y + Y * Y)
    assert (X * Y).numerator == {(1, (("x", 1), ("y", 1))): 1}
    assert (Y * X).numerator == (X * Y).numerator
    assert (X - X).numerator == {}
    assert (X / Y + Y / X).equals((X * X + Y * Y) / (X * Y))


def test_the_imaginary_unit():
    assert (IMAGINARY * IMAGINARY).as_fraction() == -1
    assert IMAGINARY.power(3).equals(-IMAGINARY)
    assert IMAGINARY.power(4).as_fraction() == 1
    assert ((ONE + IMAGINARY) * (ONE + IMAGINARY)).equals(TWO * IMAGINARY)
    assert not IMAGINARY.equals(ONE)


@pytest.mark.parametrize(
    ("base", "exponent", "value"),
    [
        (TWO, 3, 8),
        (TWO, 0, 1),
        (TWO, -2, Fraction(1, 4)),
        (rational(0), 3, 0),
        (rational(-2), 3, -8),
        (TWO, 100, 2**100),
    ],
)
def test_powers(base, exponent, value):
    assert base.power(exponent).as_fraction() == value


@pytest.mark.parametrize(("base", "exponent"), [(TWO, 101), (TWO, -101), (rational(0), 0), (rational(0), -1)])
def test_powers_that_are_not_computed(base, exponent):
    with pytest.raises(InexactError):
        base.power(exponent)


def test_division_by_zero():
    with pytest.raises(InexactError, match="division by zero"):
        _ = ONE / (X - X)


def test_proportional_is_equal_but_for_a_constant():
    assert (X - ONE).proportional(TWO - TWO * X)
    assert (X / TWO).proportional(X)
    assert not (X - ONE).proportional(X + ONE)
    assert not (X - ONE).proportional(X)
    assert not (X * X).proportional(X)
    assert not (X - X).proportional(X)
    assert not X.proportional(X - X)


def test_what_is_no_rational_number():
    assert X.as_fraction() is None
    assert square_root(TWO).as_fraction() is None
    assert (X + ONE).as_fraction() is None
    assert (X / X).as_fraction() == 1
    assert ((TWO * X + TWO) / (X + ONE)).as_fraction() == 2
    assert rational(0).as_fraction() == 0


def test_limits():
    with pytest.raises(InexactError, match="large number"):
        rational(2**1500).power(2)
    assert rational(2**990) * rational(2**990)
    many = [named(f"x{number}") for number in range(70)]
    with pytest.raises(InexactError, match="too many terms"):
        sum(many, rational(0))
    wide = Exact({(1, ((f"x{n}", 1),)): Fraction(1) for n in range(61)}, {(1, ()): Fraction(1)})
    with pytest.raises(InexactError, match="too many terms"):
        _ = wide * wide
