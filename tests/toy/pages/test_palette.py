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


def test_a_kind_of_path_never_has_a_methods_colour():
    assert not set(KIND_COLOURS.values()) & {colour for colour, _ in STYLES.values()}


def test_a_method_without_a_style_gets_one_that_depends_on_its_name_only():
    colour, dash = style_of("calibrl:slope=0.123")
    assert style_of("calibrl:slope=0.123") == (colour, dash)
    assert colour.startswith("#")
    assert dash == "-."
    assert len({style_of(f"method{number}")[0] for number in range(20)}) == 7
    assert style_of("grpo") == ("#000000", "-")


def test_only_grpo_is_black_beside_others():
    others = [f"method{number}" for number in range(12)]
    styles = styles_of(["grpo", "calibrl", *others])
    assert [colour for colour, _ in styles].count("#000000") == 1
    assert styles[:2] == [("#000000", "-"), ("#D55E00", "-")]
    assert styles[2:6] == [("#CC79A7", "-"), ("#009E73", "-"), ("#0072B2", "-"), ("#E69F00", "-")]
    assert len(set(styles)) == 14
