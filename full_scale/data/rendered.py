"""Rendered geometry: pictures of six kinds of figure; the numbers are in the question, the rule is in the picture.

Every question reads "a=35 b=22 find x" and the numbers of every kind come from one distribution, so that the text tells
nothing about the figure: without the picture, the best guess is right in about one problem of six. Triangles, right
angles, circles and crossing lines are drawn to scale; parallels and quadrilaterals are not.
"""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont

from full_scale.data.generated import Split, draw_until, generated_schema, split_of
from full_scale.problems.problem import Problem

Point = tuple[float, float]
_OVERSAMPLE = 2  # drawn larger and shrunk, for smooth lines


class Canvas:
    """A white picture in units of its own size: x to the right, y upwards, the centre is (0, 0), the edges are at 1.

    Args:
        size: Side of the square picture, pixels.
        rng: Source of the random turn, scale and shift that every figure gets.
    """

    def __init__(self, size: int, rng: random.Random) -> None:
        self._side = size * _OVERSAMPLE
        self._size = size
        self._image = PIL.Image.new("L", (self._side, self._side), 255)
        self._draw = PIL.ImageDraw.Draw(self._image)
        turn, self._scale = math.radians(rng.uniform(-20, 20)), rng.uniform(0.8, 1.0)
        self._cos, self._sin = math.cos(turn), math.sin(turn)
        self._shift = (rng.uniform(-0.08, 0.08), rng.uniform(-0.08, 0.08))
        self._mirror = rng.choice((-1, 1))

    def line(self, *points: Point) -> None:
        """Draw a polyline through the points."""
        self._draw.line([self._pixel(point) for point in points], fill=0, width=round(self._side / 56), joint="curve")

    def circle(self, radius: float) -> None:
        """Draw a circle around the origin."""
        self.line(*(_polar(radius, angle) for angle in range(0, 361, 6)))

    def label(self, text: str, point: Point) -> None:
        """Write a letter centred at the point."""
        font = PIL.ImageFont.load_default(size=self._side / 10)
        self._draw.text(self._pixel(point), text, fill=0, font=font, anchor="mm")

    def picture(self) -> PIL.Image.Image:
        """The finished grey picture, size x size."""
        return self._image.resize((self._size, self._size), PIL.Image.Resampling.BOX)

    def _pixel(self, point: Point) -> Point:
        x, y = point[0] * self._scale * self._mirror, point[1] * self._scale
        x, y = x * self._cos - y * self._sin + self._shift[0], x * self._sin + y * self._cos + self._shift[1]
        return ((1 + x) * self._side / 2, (1 - y) * self._side / 2)


@dataclass(frozen=True)
class Figure:
    """A kind of figure: how it is drawn from the two given angles, and the sum that gives x."""

    draw: Callable[[Canvas, int, int], None]
    sum: Callable[[int, int], str]


def _polar(radius: float, degrees: float, centre: Point = (0.0, 0.0)) -> Point:
    angle = math.radians(degrees)
    return (centre[0] + radius * math.cos(angle), centre[1] + radius * math.sin(angle))


def _triangle(canvas: Canvas, a: int, b: int) -> None:
    left, right = (-0.85, -0.4), (0.85, -0.4)
    height = 1.7 / (1 / math.tan(math.radians(a)) + 1 / math.tan(math.radians(b)))
    apex = (left[0] + height / math.tan(math.radians(a)), left[1] + height)
    canvas.line(left, right, apex, left, right)
    canvas.label("a", _polar(0.5, a / 2, left))
    canvas.label("b", _polar(0.5, 180 - b / 2, right))
    canvas.label("x", (apex[0], apex[1] + 0.14))


def _rays(canvas: Canvas, centre: Point, length: float, *directions: float) -> None:
    for direction in directions:
        canvas.line(centre, _polar(length, direction, centre))


def _right(canvas: Canvas, a: int, b: int) -> None:
    corner = (-0.75, -0.75)
    _rays(canvas, corner, 1.5, 0, a, a + b, 90)
    mark = 0.2
    canvas.line((corner[0] + mark, corner[1]), (corner[0] + mark, corner[1] + mark), (corner[0], corner[1] + mark))
    for text, direction in (("a", a / 2), ("b", a + b / 2), ("x", (90 + a + b) / 2)):
        canvas.label(text, _polar(1.2, direction, corner))


def _circle(canvas: Canvas, a: int, b: int) -> None:
    canvas.circle(0.85)
    _rays(canvas, (0.0, 0.0), 0.85, 0, a, a + b)
    for text, direction in (("a", a / 2), ("b", a + b / 2), ("x", (360 + a + b) / 2)):
        canvas.label(text, _polar(0.6, direction))


def _crossing(canvas: Canvas, a: int, b: int) -> None:
    _rays(canvas, (0.0, 0.0), 0.95, 0, a, a + b, 180, 180 + a + b)
    for text, direction in (("a", a / 2), ("b", a + b / 2), ("x", 180 + (a + b) / 2)):
        canvas.label(text, _polar(0.7, direction))


def _parallel(canvas: Canvas, a: int, b: int) -> None:
    top, bottom, point = 0.7, 0.0, (-0.7, -0.8)
    for height in (top, bottom):
        canvas.line((-0.95, height), (0.95, height))
    steep, flat = max(a, b), min(a, b)
    ends = []
    for angle, height in ((steep, top), (flat, bottom)):
        run = min((height - point[1]) / math.tan(math.radians(angle)), 1.55)
        ends.append((point[0] + run, height))
        canvas.line(point, ends[-1])
    canvas.label("a" if a > b else "b", (ends[0][0] + 0.14, top - 0.15))
    canvas.label("b" if a > b else "a", (ends[1][0] - 0.05, bottom + 0.15))
    canvas.label("x", _polar(0.45, (steep + flat) / 2, point))


def _quadrilateral(canvas: Canvas, a: int, b: int) -> None:
    tip, left, right, notch = (0.0, 0.5), (-0.9, -0.4), (0.9, -0.4), ((a - b) / 150, 0.0)
    canvas.line(notch, left, tip, right, notch, left)
    canvas.line((-0.13, 0.37), (0.0, 0.24), (0.13, 0.37))
    canvas.label("a", (left[0], left[1] - 0.15))
    canvas.label("b", (right[0], right[1] - 0.15))
    canvas.label("x", (notch[0], notch[1] - 0.15))


FIGURES: dict[str, Figure] = {
    "triangle": Figure(_triangle, lambda a, b: f"180-{a}-{b}={180 - a}-{b}={180 - a - b}"),
    "right": Figure(_right, lambda a, b: f"90-{a}-{b}={90 - a}-{b}={90 - a - b}"),
    "circle": Figure(_circle, lambda a, b: f"360-{a}-{b}={360 - a}-{b}={360 - a - b}"),
    "crossing": Figure(_crossing, lambda a, b: f"{a}+{b}={a + b}"),
    "parallel": Figure(_parallel, lambda a, b: f"{max(a, b)}-{min(a, b)}={abs(a - b)}"),
    "quadrilateral": Figure(_quadrilateral, lambda a, b: f"90+{a}+{b}={90 + a}+{b}={90 + a + b}"),
}
"""Kind of figure -> how it is drawn and computed. All sums differ, so the picture decides the answer."""

NUMBER_PAIRS = [(a, b) for a in range(10, 71) for b in range(10, 71) if a + b <= 80 and abs(a - b) >= 5]
"""The given angles, degrees: the same pairs for every kind, so they do not reveal the figure."""


def rendered_problems(
    count: int,
    *,
    seed: int,
    size: int = 112,
    split: Split = "train",
    kinds: Sequence[str] = tuple(FIGURES),
) -> list[Problem]:
    """Draw random problems; the same arguments give the same problems.

    The splits are disjoint: a hash of (kind, a, b) puts one combination in five into the test split, whatever the seed.

    Args:
        count: Number of problems, at least 1.
        seed: Seed of kinds, numbers and pictures.
        size: Side of the square pictures, pixels; a multiple of 28 for a vision tower with patch 14 and merge 2.
        split: "train" or "test".
        kinds: Which of `FIGURES` to draw from, equally often on average.

    Returns:
        `count` problems, each with one picture, an expert solution and its kind as category.

    Raises:
        ValueError: count, size, split or a kind is not valid.
    """
    _check(size, kinds)

    def draw(place: int, rng: random.Random) -> Problem | None:
        """A figure with two angles."""
        kind, (a, b) = rng.choice(list(kinds)), rng.choice(NUMBER_PAIRS)
        own = split_of(f"{kind} {a} {b}") == split
        return figure_problem(f"{split}-{seed}-{place}", kind, a, b, size, rng) if own else None

    return draw_until(count, seed=seed, split=split, draw=draw)


def _check(size: int, kinds: Sequence[str]) -> None:
    if size < 28:
        raise ValueError(f"size must be at least 28 pixels, got {size}")
    unknown = [kind for kind in kinds if kind not in FIGURES]
    if unknown or not kinds:
        raise ValueError(f"kinds must be some of {', '.join(FIGURES)}, got {list(kinds)}")


def figure_problem(name: str, kind: str, a: int, b: int, size: int, rng: random.Random) -> Problem:
    """The problem that a figure asks, with the expert's solution.

    Args:
        name: Its id.
        kind: One of :data:`FIGURES`.
        a: First angle, degrees.
        b: Second angle, degrees.
        size: Side of the picture, pixels.
        rng: Of the picture.

    Returns:
        The problem.
    """
    canvas = Canvas(size, rng)
    FIGURES[kind].draw(canvas, a, b)
    computation = FIGURES[kind].sum(a, b)
    return Problem(
        id=name,
        source="rendered",
        question=f"a={a} b={b} find x",
        answer=computation.rpartition("=")[2],
        images=(canvas.picture(),),
        solution=f"{kind}: {computation}",
        category=kind,
    )


RENDERED = generated_schema("rendered", rendered_problems, __file__)
