"""Units: which are understood, what they are worth in each other, which contradict each other."""

from fractions import Fraction

import pytest

from full_scale.verifier.grammar import readings
from full_scale.verifier.units import COUNTED, DEGREE, NOUNS, UNITS, Unit, _table, unit_named


@pytest.mark.parametrize(
    ("name", "other", "factor"),
    [
        ("km", "m", 1000),
        ("cm", "m", Fraction(1, 100)),
        ("dm", "cm", 10),
        ("mm", "cm", Fraction(1, 10)),
        ("厘米", "cm", 1),
        ("公里", "km", 1),
        ("inch", "cm", Fraction("2.54")),
        ("feet", "inches", 12),
        ("yard", "ft", 3),
        ("mile", "yd", 1760),
        ("海里", "m", 1852),
        ("nautical-miles", "海里", 1),
        ("尺", "寸", 10),
        ("里", "m", 500),
        ("h", "min", 60),
        ("min", "s", 60),
        ("day", "h", 24),
        ("week", "day", 7),
        ("小时", "分钟", 60),
        ("year", "month", 12),
        ("kg", "g", 1000),
        ("吨", "kg", 1000),
        ("斤", "g", 500),
        ("L", "mL", 1000),
        ("mL", "cl", Fraction(1, 10)),
        ("公顷", "亩", 15),
        ("°", "'", 60),
        ("'", "''", 60),
        ("dollar", "cent", 100),
        ("万元", "元", 10000),
        ("亿元", "万元", 10000),
        ("lb", "oz", 16),
        ("mph", "kph", Fraction("1.609344")),
        ("千米每小时", "kph", 1),
        ("平方米", "平方厘米", 10000),
        ("立方米", "L", 1000),
        ("立方厘米", "mL", 1),
        ("μm", "nm", 1000),
    ],
)
def test_conversions(name, other, factor):
    one, two = unit_named(name), unit_named(other)
    assert not one.contradicts(two)
    assert one.converts_to(two) == factor
    assert two.converts_to(one) == 1 / Fraction(factor)


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("cm", "kg"),
        ("cm", "s"),
        ("m", "平方米"),
        ("平方米", "立方米"),
        ("dollar", "euro"),
        ("°", "rad"),
        ("%", "cm"),
        ("apple", "orange"),
        ("year", "day"),
        ("celsius", "fahrenheit"),
        ("celsius", "°"),
        ("kph", "km"),
        ("apple", "cm"),
        ("个", "cm"),
        ("unit", "kg"),
    ],
)
def test_contradictions(name, other):
    one, two = unit_named(name), unit_named(other)
    assert one.contradicts(two)
    assert two.contradicts(one)
    assert one.converts_to(two) == 1


@pytest.mark.parametrize(
    ("name", "other", "power"),
    [("unit", "cm", 1), ("units", "cm", 2), ("unit", "km", 3), ("apples", "个", 1), ("things", "人", 1)],
)
def test_general_units_contradict_none_of_their_kind(name, other, power):
    one, two = unit_named(name).power(power), unit_named(other).power(power)
    assert not one.contradicts(two)
    assert not two.contradicts(one)
    assert one.power(2).contradicts(two)


def test_names_are_found_whatever_their_case_and_number():
    assert unit_named("CM") == unit_named("cm") == unit_named("Centimetres")
    assert unit_named("boxes") == unit_named("box")
    assert unit_named("children") == unit_named("child")
    assert unit_named("people") == unit_named("person")
    assert [unit_named(name) for name in ("thousand", "", "每", "米每", "平方", "平方apple吃")] == [None] * 6


def test_products_and_powers():
    speed = unit_named("m") * unit_named("s").power(-1)
    assert speed.dimensions == (("length", 1), ("time", -1))
    assert (speed * unit_named("s")) == unit_named("m")
    assert unit_named("cm").power(3) == Unit(Fraction(1, 10**6), (("length", 3),))


def test_the_table_is_whole():
    assert len(UNITS) > 600
    assert UNITS["°"] is DEGREE or UNITS["°"] == DEGREE
    assert "apple" in NOUNS
    assert all(unit.scale > 0 and unit.dimensions for unit in UNITS.values())


def test_the_table_of_units():
    table = _table()
    assert table == UNITS
    for names, unit in {
        "km 公里": Unit(Fraction(1000), (("length", 1),)),
        "min 分钟": Unit(Fraction(60), (("time", 1),)),
        "year 年": Unit(Fraction(12), (("months", 1),)),
        "kg 千克": Unit(table["g"].scale * 1000, (("mass", 1),)),
        "l 升": Unit(Fraction(1, 1000), (("length", 3),)),
        "ha 公顷": Unit(Fraction(10000), (("length", 2),)),
        "° 度": Unit(Fraction(1), (("degree", 1),)),
        "dollar usd": Unit(Fraction(1), (("dollar", 1),)),
        "cent cents": Unit(Fraction(1, 100), (("dollar", 1),)),
        "percent %": Unit(Fraction(1), (("percent", 1),)),
        "万元": Unit(Fraction(10000), (("yuan", 1),)),
        "亿元": Unit(Fraction(100000000), (("yuan", 1),)),
        "千元": Unit(Fraction(1000), (("yuan", 1),)),
        "mph": Unit(Fraction("0.44704"), (("length", 1), ("time", -1))),
        "kph kmh": Unit(Fraction(5, 18), (("length", 1), ("time", -1))),
        "apple apples": Unit(Fraction(1), (("apple", 1),)),
        "box boxes": Unit(Fraction(1), (("box", 1),)),
        "people person persons": Unit(Fraction(1), (("person", 1),)),
    }.items():
        assert {table[name] for name in names.split()} == {unit}
    assert {"apples", "boxes", "people", "vertices"} <= COUNTED
    assert not COUNTED & {"apple", "box"}


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("dollar", "dollar"),
        ("US dollar", "dollar"),
        ("USD", "dollar"),
        ("EUR", "euro"),
        ("€", "euro"),
        ("GBP", "pound"),
        ("£", "pound"),
        ("RMB", "yuan"),
        ("CNY", "yuan"),
        ("¥", "yuan"),
    ],
)
def test_money_is_written_in_front(word, name):
    assert readings(f"{word} 5")[0].value == Unit(Fraction(1), ((name, 1),))
