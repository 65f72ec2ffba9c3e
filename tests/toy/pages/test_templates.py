import jinja2
import pytest

from toy.pages.templates import render


def test_a_name_that_a_template_misses_is_an_error():
    with pytest.raises(jinja2.UndefinedError, match="world"):
        render("live", style="", script="", paths=1, percent=str)
