# ruff: noqa: SIM905  # word lists read best as text
"""Units of measurement in English and Chinese: which are understood, and which contradict each other.

A unit is a product of powers of dimensions and a scale: "km/h" is 1000/3600 of length per time. Two units of the same
dimensions are compared by value ("1.8 m" is "180 cm"); of other dimensions, they contradict each other.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache


@dataclass(frozen=True)
class Unit:
    """A unit of measurement.

    Args:
        scale: How many of the dimension's base units it is.
        dimensions: (Dimension, power), sorted; the dimension of a counted thing is its noun.
    """

    scale: Fraction
    dimensions: tuple[tuple[str, int], ...]

    def __mul__(self, other: "Unit") -> "Unit":
        """The product: of two units."""
        powers = dict(self.dimensions)
        for name, power in other.dimensions:
            powers[name] = powers.get(name, 0) + power
        return Unit(self.scale * other.scale, tuple(sorted((n, p) for n, p in powers.items() if p)))

    def power(self, exponent: int) -> "Unit":
        """A power: "square metre" is "metre" to the 2."""
        return Unit(self.scale**exponent, tuple((name, power * exponent) for name, power in self.dimensions))

    def contradicts(self, other: "Unit") -> bool:
        """Whether one quantity cannot have both: "cm" and "kg". "unit" is any length, a count is of any things."""
        return self._general(other) != other._general(self)

    def converts_to(self, other: "Unit") -> Fraction:
        """By which factor a number of this unit is one of the other; 1 where one of them has no scale."""
        return self.scale / other.scale if self.dimensions == other.dimensions else Fraction(1)

    def _general(self, other: "Unit") -> tuple[tuple[str, int], ...]:
        powers = dict(self.dimensions)
        theirs = dict(other.dimensions)
        if "length" in powers and "unit" in theirs and "unit" not in powers:
            powers["unit"] = powers.pop("length")
        if theirs == {"things": 1} and powers.keys() <= NOUNS and list(powers.values()) == [1]:
            return other.dimensions
        return tuple(sorted(powers.items()))


_Measures = Mapping[str, tuple[int | str, str]]
_LENGTH: _Measures = {
    "km": (1000, "kilometer kilometers kilometre kilometres kms 千米 公里"),
    "m": (1, "meter meters metre metres 米"),
    "dm": ("1/10", "decimeter decimeters decimetre decimetres 分米"),
    "cm": ("1/100", "centimeter centimeters centimetre centimetres cms 厘米 公分"),
    "mm": ("1/1000", "millimeter millimeters millimetre millimetres 毫米"),
    "um": ("1/1000000", "μm micrometer micrometers micrometre micrometres micron microns 微米"),
    "nm": ("1/1000000000", "nanometer nanometers nanometre nanometres 纳米"),
    "ft": ("0.3048", "foot feet 英尺"),
    "in": ("0.0254", "inch inches 英寸"),
    "yd": ("0.9144", "yard yards yds 码"),
    "mi": ("1609.344", "mile miles 英里"),
    "chi": ("1/3", "尺"),
    "cun": ("1/30", "寸"),
    "li": (500, "里"),
    "nmi": (1852, "nautical-mile nautical-miles 海里"),
}
_TIME: _Measures = {
    "s": (1, "sec secs second seconds 秒 秒钟"),
    "min": (60, "mins minute minutes 分钟 分"),
    "h": (3600, "hr hrs hour hours 小时 时 个小时 钟头"),
    "ms": ("1/1000", "millisecond milliseconds 毫秒"),
    "day": (86400, "days 天 日"),
    "week": (604800, "weeks 周 星期"),
}
_YEARS: _Measures = {"year": (12, "years yr yrs 年 岁 years-old year-old"), "month": (1, "months 个月 月")}
_MASS: _Measures = {
    "kg": (1000, "kgs kilogram kilograms 千克 公斤"),
    "g": (1, "gram grams 克"),
    "mg": ("1/1000", "milligram milligrams 毫克"),
    "tonne": (1000000, "tonnes ton tons metric-ton metric-tons 吨"),
    "lb": ("453.59237", "lbs pound-mass 磅"),
    "oz": ("28.349523125", "ounce ounces 盎司"),
    "jin": (500, "斤"),
}
_VOLUME: _Measures = {
    "L": ("1/1000", "l liter liters litre litres 升"),
    "mL": ("1/1000000", "ml milliliter milliliters millilitre millilitres cc 毫升"),
    "cL": ("1/100000", "cl centiliter centiliters centilitre centilitres"),
    "gallon": ("0.003785411784", "gallons gal 加仑"),
}
_AREA: _Measures = {
    "hectare": (10000, "hectares ha 公顷"),
    "acre": ("4046.8564224", "acres 英亩"),
    "mu": ("2000/3", "亩"),
}
_ANGLE: _Measures = {
    "°": (1, "degree degrees deg degs 度"),
    "'": ("1/60", "arcmin arcminute arcminutes"),
    "''": ("1/3600", "arcsec arcsecond arcseconds"),
}
_MONEY = {
    "dollar": ("$ \\$ dollars us-dollar us-dollars usd buck bucks 美元", "cent cents ¢ 美分"),
    "euro": ("€ euros eur 欧元", "eurocent eurocents"),
    "pound": ("£ pounds gbp 英镑", "penny pence"),
    "yuan": ("¥ rmb cny 元 块 块钱 人民币", "fen"),
    "yen": ("jpy 日元", ""),
    "rupee": ("₹ rupees rs inr 卢比", "paise paisa"),
}
_OTHERS = {
    "percent": "% percents per-cent percentage",
    "radian": "rad radians rads 弧度",
    "celsius": "°c ℃ degree-celsius degrees-celsius degree-centigrade degrees-centigrade 摄氏度",
    "fahrenheit": "°f ℉ degree-fahrenheit degrees-fahrenheit 华氏度",
    "unit": "units 单位 个单位 单位长度 个单位长度",
    "newton": "newtons 牛 牛顿",
    "joule": "joules 焦耳 焦",
    "watt": "watts 瓦 瓦特",
    "volt": "volts 伏 伏特",
    "ampere": "amperes amp amps 安 安培",
    "ohm": "ohms Ω 欧 欧姆",
    "pascal": "pascals pa 帕",
    "hertz": "hz 赫兹",
    "things": "个 只 条 张 本 台 辆 件 棵 块儿 名 位 页 次 种 组 根 枚 颗 支 道 "
    "头 匹 间 家 对 人 枝 朵 盒 箱 袋 瓶 份 things pieces items",
}
_NOUNS = (
    "apple orange banana pear ball marble book pen pencil coin card stamp ticket sticker cookie candy cake egg "
    "flower tree car bus train bike boat house room table chair box bag bottle cup glass page word letter number "
    "digit toy animal dog cat bird fish cow horse sheep chicken rabbit duck pig bee ant frog kangaroo beaver person "
    "child student boy girl man woman teacher worker player friend member passenger guest triangle square rectangle "
    "circle cube cuboid block brick tile rod stick match matchstick side edge face vertex corner angle diagonal "
    "point line segment region part row column dot hexagon pentagon polygon quadrilateral shape figure sphere cone "
    "pyramid prism cylinder step way time turn move game round set group team class pair solution possibility "
    "combination path route stop hole knot star heart arrow ring bead pearl button key lamp candle light bulb "
    "window door shell stone rock cell piece"
).split()
_IRREGULAR = {
    "people": "person", "persons": "person", "children": "child", "men": "man", "women": "woman", "vertices": "vertex",
    "kids": "child", "students": "student", "leaves": "leaf", "mice": "mouse", "candies": "candy", "sheep": "sheep",
    "possibilities": "possibility",
}  # fmt: skip
_POWERS = {"square": 2, "sq": 2, "squared": 2, "cubic": 3, "cu": 3, "cubed": 3, "平方": 2, "立方": 3}
PREFIX_POWERS = {name: _POWERS[name] for name in ("square", "sq", "cubic", "cu", "平方", "立方")}
SUFFIX_POWERS = {name: _POWERS[name] for name in ("squared", "cubed")}
NOUNS = frozenset((*_NOUNS, *_IRREGULAR.values()))
"""Things that are counted; each is a unit of its own."""
COUNTED = frozenset((*_IRREGULAR, *(f"{noun}{ending}" for noun in NOUNS for ending in ("s", "es"))))
"""Their plurals."""


def _table() -> dict[str, Unit]:
    """Every spelling, in lower case, with its unit."""
    table: dict[str, Unit] = {}

    def add(names: str, scale: Fraction, *dimensions: tuple[str, int]) -> None:
        """Enter all spellings of one unit."""
        table.update(dict.fromkeys(names.lower().split(), Unit(scale, dimensions)))

    measures: tuple[tuple[_Measures, str, int], ...] = (
        (_LENGTH, "length", 1), (_TIME, "time", 1), (_YEARS, "months", 1), (_MASS, "mass", 1),
        (_VOLUME, "length", 3), (_AREA, "length", 2), (_ANGLE, "degree", 1),
    )  # fmt: skip
    for units, dimension, power in measures:
        for symbol, (scale, names) in units.items():
            add(f"{symbol} {names}", Fraction(scale), (dimension, power))
    for name, (whole, hundredth) in _MONEY.items():
        add(f"{name} {whole}", Fraction(1), (name, 1))
        add(hundredth, Fraction(1, 100), (name, 1))
    for name, names in _OTHERS.items():
        add(f"{name} {names}", Fraction(1), (name, 1))
    for name, thousands in (("万元", 10), ("亿元", 100000), ("千元", 1)):
        add(name, Fraction(thousands * 1000), ("yuan", 1))
    add("mph", Fraction("1609.344") / 3600, ("length", 1), ("time", -1))
    add("kph kmh", Fraction(1000, 3600), ("length", 1), ("time", -1))
    for noun in NOUNS:
        for plural in (noun, f"{noun}s", f"{noun}es"):
            table.setdefault(plural, Unit(Fraction(1), ((noun, 1),)))
    for plural, noun in _IRREGULAR.items():
        add(plural, Fraction(1), (noun, 1))
    return table


UNITS = _table()
PERCENT, DEGREE, ARC_MINUTE, ARC_SECOND = (UNITS[name] for name in ("%", "°", "'", "''"))
CURRENCY_SIGNS = "€£¥₹"
SINGLE_LETTERS = frozenset("gshlL")
"""Units that are glued to a number only where the letter is no name of the ground truth; "m" always may be."""

_CHINESE_POWER = re.compile(r"(平方|立方)(.+)")


@lru_cache(maxsize=10_000)
def unit_named(name: str) -> Unit | None:
    """The unit of a name without blanks.

    Args:
        name: For example "cm", "Centimetres", "平方厘米", "千米每小时".

    Returns:
        The unit, or None where the name is not understood.

    Example:
        >>> unit_named("平方米") == unit_named("m").power(2)
        True
    """
    if found := UNITS.get(name.lower()):
        return found
    over, per, under = name.partition("每")
    if per:
        top, bottom = unit_named(over), unit_named(under)
        return top * bottom.power(-1) if top and bottom else None
    power = _CHINESE_POWER.fullmatch(name)
    base = UNITS.get(power[2]) if power else None
    return base.power(PREFIX_POWERS[power[1]]) if power and base else None
