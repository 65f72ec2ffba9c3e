"""What the pages are made of: templates, styles and scripts of `toy/pages/web`."""

from importlib.resources import files

import jinja2


def render(template: str, **values: object) -> str:
    """Fill a template; a name that it does not know is an error, and text is escaped.

    Args:
        template: its file's name, without ``.html.jinja``.
        values: what it shows.
    """
    loader = jinja2.PackageLoader("toy.pages", "web")
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.get_template(f"{template}.html.jinja").render(**values)


def source(name: str) -> str:
    """The text of a style or script.

    Example:
        >>> source("chart.js").splitlines()[0]
        '"use strict";'
    """
    return (files("toy.pages") / "web" / name).read_text(encoding="utf-8")


def percent(share: float) -> str:
    """A share in per cent.

    Example:
        >>> percent(0.005)
        '0.5 %'
    """
    return f"{100 * share:g} %"
