import itertools

import numpy as np

from toy.learning.methods import with_options
from toy.pages.palette import STYLES, style_of, styles_of
from toy.studies.questions import ABLATION_COMPANIONS, ABLATIONS, DEFAULT_METHODS
from toy.world import KIND_COLOURS


def test_methods_side_by_side_never_look_alike_and_keep_their_own_style():
    for name, (_, changes) in ABLATIONS.items():
        methods = [*ABLATION_COMPANIONS.get(name, ()), *(with_options("calibrl", change) for change in changes)]
        styles = styles_of(methods)
        assert len(set(styles)) == len(methods)
        assert all(style == STYLES[method] for style, method in zip(styles, methods, strict=True) if method in STYLES)
    assert len({style_of(method) for method in DEFAULT_METHODS}) == len(DEFAULT_METHODS)


def as_a_deuteranope_sees(colour):
    """A colour in CIELAB, after Machado, Oliveira and Fernandes (2009), severity 1."""
    linear = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = np.array([part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in linear])
    seen = np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]])
    to_xyz = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.072175]])
    to_xyz = np.vstack([to_xyz, [0.0193339, 0.119192, 0.9503041]])
    x, y, z = np.cbrt(to_xyz @ (seen @ linear).clip(0, 1) / [0.95047, 1.0, 1.08883] + 1e-6)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def test_lines_of_one_dash_differ_in_deuteranopia():
    for (colour, dash), (other, same) in itertools.combinations(map(style_of, DEFAULT_METHODS), 2):
        if dash == same and colour != other:
            distance = np.linalg.norm(as_a_deuteranope_sees(colour) - as_a_deuteranope_sees(other))
            assert distance > 20, (colour, other)
    grey = [as_a_deuteranope_sees(colour) for colour in ("#009E73", "#CC79A7")]
    assert np.linalg.norm(grey[0] - grey[1]) < 20  # the pair that was one grey


def test_a_kind_of_path_never_has_a_methods_colour():
    assert not set(KIND_COLOURS.values()) & {colour for colour, _ in STYLES.values()}


def test_a_method_without_a_style_gets_one_that_depends_on_its_name_only():
    colour, dash = style_of("calibrl:slope=0.123")
    assert style_of("calibrl:slope=0.123") == (colour, dash)
    assert colour.startswith("#")
    assert dash == "-."
    assert len({style_of(f"method{number}")[0] for number in range(20)}) == 6
    assert style_of("grpo") == ("#000000", "-")


def test_only_grpo_is_black_beside_others():
    others = [f"method{number}" for number in range(12)]
    styles = styles_of(["grpo", "calibrl", *others])
    assert [colour for colour, _ in styles].count("#000000") == 1
    assert styles[:2] == [("#000000", "-"), ("#D55E00", "-")]
    assert styles[2:6] == [("#0072B2", "-"), ("#CC79A7", "--"), ("#56B4E9", "-"), ("#009E73", ":")]
    assert len(set(styles)) == 14
