"""Worlds with a name: settings of the world and of its training that belong together."""

from collections.abc import Mapping

WORLDS: dict[str, Mapping[str, float]] = {
    "default": {},
    "vlm-like": {
        "depth": 1,
        "branching": 5,
        "sound": 1,
        "shortcuts": 1,
        "sound_success": 0.83,
        "shortcut_success": 0.55,
        "unsound_success": 0.01,
        "sound_prior": 0.0215,
        "shortcut_prior": 0.7435,
        "demonstrations": 1,
        "executable": 1.0,
        "families": 8,
        "heterogeneity": 1.0,
        "steps": 100,
        "prompts": 8,
        "rollouts": 8,
    },
}
"""Name -> what differs from the default settings of a world and its training.

``vlm-like`` has the numbers that were measured on the shipped checkpoint ``tiny-shortcut``, with six triangles in ten
as its world draws them, and the sizes of its preset (results/vlm_shortcut/checkpoint.json; five branches give the
first decision about its entropy): one decision, the first word of the thought, in which a response looks (sound),
guesses (the shortcut) or does neither; a guess is right to a prompt always or never.
"""
