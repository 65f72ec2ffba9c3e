"""A method: one recipe of `calibrl_ref`, or several in a row, with the options given on the command line."""

from dataclasses import dataclass

from calibrl_ref import Schedule, read_method


@dataclass(frozen=True)
class Method:
    """What to train with.

    Attributes:
        name: as written on the command line, for example ``calibrl:slope=0.8``; also the label in figures.
        schedule: the objectives, and the share of the steps for each.
    """

    name: str
    schedule: Schedule

    @property
    def explores(self) -> bool:
        """Whether it has an exploration term, with a slope and a weight."""
        return any(objective.exploration is not None for objective, _ in self.schedule.stages)


def parse_method(text: str) -> Method:
    """Build a method from its name, as ``calibrl_ref.read_method`` reads it.

    All responses of a world have the same length, so the aggregations of a loss differ by a constant factor only; every
    recipe is given the same one, the sum over a response's decisions, to make one learning rate mean one size of step.

    Args:
        text: the name of a recipe or a schedule, with values of its hyper-parameters.

    Raises:
        ValueError: the method or a hyper-parameter is unknown (the message guesses the right one), or a value does not
            fit.

    Example:
        >>> parse_method("calibrl:slope=0.8").schedule.stages[0][0].exploration.slope
        0.8
    """
    name, options = read_method(text)
    return Method(text, Schedule.named(name, **{"aggregation": "sequence_mean_token_sum", **options}))


def with_options(method: str, options: str) -> str:
    """The method's name with more options.

    Example:
        >>> with_options("calibrl", "slope=0.3"), with_options("calibrl:slope=0.3", "gate=relu")
        ('calibrl:slope=0.3', 'calibrl:slope=0.3,gate=relu')
    """
    return f"{method}{',' if ':' in method else ':'}{options}" if options else method
