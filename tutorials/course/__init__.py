"""What the notebooks share: how much to compute, the exercises' checks, and the look of the figures."""

import torch

from course.budgets import budget
from course.exercises import check, exercise
from course.predictions import look, predict, predictions_made
from course.seeds import solved
from course.style import PALETTE, draw_curve, panels, show, use_style

__all__ = [
    "PALETTE",
    "budget",
    "check",
    "draw_curve",
    "exercise",
    "look",
    "panels",
    "predict",
    "predictions_made",
    "show",
    "solved",
    "use_style",
]

# The toy's tensors are small: more threads only wait for each other, and for long where the machine is busy.
torch.set_num_threads(1)
