from toy.palette import KIND_COLOURS, STYLES, style_of, styles_of
from toy.studies import ABLATION_COMPANIONS, ABLATIONS, DEFAULT_RECIPES, with_options


def test_methods_side_by_side_never_look_alike_and_keep_their_own_style():
    for name, (_, changes) in ABLATIONS.items():
        methods = [*ABLATION_COMPANIONS.get(name, ()), *(with_options("calibrl", change) for change in changes)]
        styles = styles_of(methods)
        assert len(set(styles)) == len(methods)
        assert all(style == STYLES[method] for style, method in zip(styles, methods, strict=True) if method in STYLES)
    assert len({style_of(method) for method in DEFAULT_RECIPES}) == len(DEFAULT_RECIPES)


def test_a_kind_of_path_never_has_a_methods_colour():
    assert not set(KIND_COLOURS.values()) & {colour for colour, _ in STYLES.values()}
