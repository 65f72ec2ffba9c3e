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
