"""How a recipe is made of another one: its objective, changed, with the hyper-parameters of both."""

import functools
import inspect
from collections.abc import Callable

from calibrl_ref.objective import Objective

Recipe = Callable[..., Objective]


def extends(base: Recipe, **defaults: object) -> Callable[[Recipe], Recipe]:
    """Turn a change of ``base``'s objective into a recipe of its own.

    The decorated function gets the objective that ``base`` returns, and may have keyword-only hyper-parameters. The
    recipe takes these and all of ``base``'s; its signature and annotations show both, so command lines can read them.

    Args:
        base: the recipe to start from.
        defaults: what ``base``'s hyper-parameters are unless the caller gives them.

    Returns:
        A decorator.

    Raises:
        TypeError: ``defaults`` names a hyper-parameter that ``base`` lacks.

    Example:
        >>> from calibrl_ref import RECIPES
        >>> @extends(RECIPES["calibrl"], gate="relu")
        ... def calibrl_relu(objective: Objective) -> Objective:
        ...     return objective
        >>> calibrl_relu(slope=0.3).terms[1].gate, calibrl_relu(gate="linear").terms[1].gate
        ('relu', 'linear')
    """
    inherited = inspect.signature(base).parameters
    if unknown := sorted(defaults.keys() - inherited.keys()):
        raise TypeError(f"defaults={unknown}: expected some of {list(inherited)}. Fix: name hyper-parameters of base.")
    taken_over = [p.replace(default=defaults.get(p.name, p.default)) for p in inherited.values()]

    def decorate(change: Recipe) -> Recipe:
        """Make a recipe of the change."""
        _, *own = inspect.signature(change).parameters.values()
        names = {parameter.name for parameter in own}

        @functools.wraps(change)
        def recipe(**options: object) -> Objective:
            """Build the base's objective and change it; carries the docstring of the change."""
            mine = {name: options.pop(name) for name in names & options.keys()}
            return change(base(**{**defaults, **options}), **mine)

        parameters = [*own, *taken_over]
        recipe.__dict__["__signature__"] = inspect.Signature(parameters, return_annotation=Objective)
        recipe.__annotations__ = {p.name: p.annotation for p in parameters} | {"return": Objective}
        return recipe

    return decorate
