from importlib.resources import files

import jinja2
import pytest

from toy.pages.templates import percent, render, source
from toy.world import World


def live(**changes):
    names = ("style", "script", "paths", "seeds", "logits", "toy")
    values = dict.fromkeys(names, "") | {"world": World(), "methods": {}, "percent": percent}
    return render("live", **values | changes)


def test_a_name_that_a_template_misses_is_an_error():
    with pytest.raises(jinja2.UndefinedError, match="world"):
        render("live", style="", script="", paths=1, percent=str)


def test_text_is_escaped_but_what_is_a_style_or_a_script():
    page = live(seeds="<b>&", script="a < b && c", style="p > a {}")
    assert "All &lt;b&gt;&amp; seeds" in page
    assert "a < b && c</script>" in page
    assert "p > a {}</style>" in page


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.005, "0.5 %"), (0.0, "0 %"), (0.25, "25 %"), (0.95, "95 %"), (1.0, "100 %"), (1 / 3, "33.3333 %")],
)
def test_a_share_in_per_cent(share, text):
    assert percent(share) == text
    assert f"is right {text} of the time" in live(world=World(sound_success=share))


def test_a_source_is_a_files_whole_text():
    for name in ("live.css", "engine.js"):
        assert source(name) == (files("toy.pages") / "web" / name).read_bytes().decode("utf-8")
