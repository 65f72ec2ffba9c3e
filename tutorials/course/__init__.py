"""What the notebooks share: how much to compute, the exercises' checks, and the look of the figures."""

from course.budgets import budget
from course.exercises import check, exercise
from course.style import PALETTE, draw_curve, panels, show, use_style

__all__ = ["PALETTE", "budget", "check", "draw_curve", "exercise", "panels", "show", "use_style"]
