"""The settings of a world, and how the default one was chosen.

First its shape was fixed: one policy for all prompts, 256 paths, shortcuts at 0.6,
sound paths at 0.95, and an expert of whom the policy can execute a part. Then about a hundred combinations of the sound
prior (0.005 to 0.02), the shortcut prior (0.7 to 0.9), the number of shortcuts (4 to 24), the number of demonstrations
and the learning rate (0.5 to 4, plain gradient descent) were run for GRPO and for CalibRL at the paper's slope and
weight, 16 to 32 seeds each. With a learning rate of 2 or 4, CalibRL's final accuracy was the higher one in every
combination, by little in the slowest. That it *also* has twice GRPO's entropy half-way held in about a quarter of them,
those with few shortcuts (GRPO collapses early) and many demonstrations (CalibRL finds its sound path late). In the
others CalibRL had often settled on a sound path by mid-run, with a low entropy and a high accuracy. The default is one
where both hold. Other settings are in the default report: with Adam in place of plain gradient descent GRPO gets stuck
much less often, because Adam rescales each logit's step and so saves rare paths; with deterministic outcomes all
methods solve the task; with an expert that cannot be executed at all CalibRL does no better than GRPO.
"""

from dataclasses import dataclass, fields

import numpy as np

SHAPE_FIELDS = ("depth", "branching", "families", "demonstrations")
"""Settings of a world that decide the shapes of its tables: all members of one population share them."""

MAX_PATHS = 16_384
"""The largest tree that is enumerated: 32 seeds of it need about 100 MB."""


@dataclass(frozen=True, kw_only=True)
class World:
    """Settings of a world; the seeds given to :func:`build_paths` decide which path is of which kind.

    Attributes:
        depth: decisions in a response.
        branching: options at each decision.
        sound: number of sound paths.
        shortcuts: number of shortcut paths.
        sound_success: chance that a sound path is verified.
        shortcut_success: chance that a shortcut is verified.
        flawed_success: chance that the policy succeeds with a path that it cannot execute as the expert does.
        unsound_success: chance that an unsound path is verified.
        sound_prior: the untrained policy's mass on all sound paths together.
        shortcut_prior: the untrained policy's mass on all shortcuts together; the rest is spread evenly.
        demonstrations: expert paths; prompt i is given path i, and they repeat if there are more prompts.
        executable: fraction of the correct demonstrations that the policy can execute (sound paths).
        wrong: fraction of the demonstrations whose answer is wrong (unsound paths).
        reward_noise: chance that the verifier's verdict is flipped.
        families: kinds of prompt; each has its own success table, and all share one policy.
        heterogeneity: how much the families differ, in [0, 1]: at 0 a shortcut succeeds alike in all of them, at 1 it
            always works in some families and never in others, ``shortcut_success`` of them on average.
        own_sound: fraction of the sound paths that are sound in one family only, and flawed in the others; prompt i is
            of family i % ``families``, and what the expert shows to it is sound there.

    Raises:
        ValueError: the world is impossible; the message gives the limit and the nearest valid setting.
    """

    depth: int = 4
    branching: int = 4
    sound: int = 8
    shortcuts: int = 4
    sound_success: float = 0.95
    shortcut_success: float = 0.6
    flawed_success: float = 0.2
    unsound_success: float = 0.02
    sound_prior: float = 0.005
    shortcut_prior: float = 0.8
    demonstrations: int = 16
    executable: float = 0.25
    wrong: float = 0.0
    reward_noise: float = 0.0
    families: int = 1
    heterogeneity: float = 0.0
    own_sound: float = 0.0

    def __post_init__(self) -> None:
        self._check_numbers()
        self._check_size()

    def _check_numbers(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, bool) or not isinstance(value, int if field.type is int else int | float):
                raise TypeError(f"{field.name}={value!r}: expected {field.type}. Fix: pass a number of that type.")
            low = 2 if field.name == "branching" else 0 if field.name == "shortcuts" else 1
            if field.type is int and value < low:
                raise _invalid(field.name, value, f"at least {low}", f"{field.name}={low}")
            if field.type is float and not 0.0 <= value <= 1.0:
                raise _invalid(field.name, value, "within [0, 1]", f"{field.name}={min(max(value, 0.0), 1.0)}")

    def _check_size(self) -> None:
        if self.paths > MAX_PATHS:
            depth = int(np.log(MAX_PATHS) / np.log(self.branching))
            nearest = f"depth={depth}" if depth else f"branching={MAX_PATHS}, depth=1"
            raise _invalid("branching ** depth", self.paths, f"at most {MAX_PATHS} paths to enumerate", nearest)
        needed = self.sound + self.shortcuts + self.flawed_paths + self.wrong_demonstrations + 1
        if needed > self.paths:
            depth = int(np.ceil(np.log(needed) / np.log(self.branching)))
            limit = f"at least {needed} paths (sound, shortcuts, flawed and wrong demonstrations, and one unsound)"
            raise _invalid("branching ** depth", self.paths, limit, f"depth={depth}, or fewer paths of a kind")
        self._check_families()
        self._check_prior()

    def _check_families(self) -> None:
        own = self.own_sound_paths
        if own == self.sound < self.families:
            limit = f"at least {self.families}, or one of the {self.families} families has no sound path"
            raise _invalid("sound", self.sound, limit, f"sound={self.families}")
        if own and self.demonstrations % self.families:
            nearest = f"demonstrations={self.demonstrations + -self.demonstrations % self.families}"
            limit = f"a multiple of families={self.families} where own_sound is above 0"
            raise _invalid("demonstrations", self.demonstrations, limit, nearest)

    def _check_prior(self) -> None:
        if not 0.0 < self.sound_prior < 1.0:
            raise _invalid("sound_prior", self.sound_prior, "inside (0, 1)", "sound_prior=0.005")
        if (self.shortcut_prior > 0.0) != (self.shortcuts > 0):
            raise _invalid(
                "shortcut_prior", self.shortcut_prior, "above 0 exactly when there are shortcuts", "0.8 or 0"
            )
        if self.sound_prior + self.shortcut_prior >= 1.0:
            nearest = (
                f"shortcut_prior={0.99 - self.sound_prior:.3g}" if self.sound_prior < 0.99 else "sound_prior=0.005"
            )
            raise _invalid("sound_prior + shortcut_prior", self.sound_prior + self.shortcut_prior, "below 1", nearest)

    @property
    def paths(self) -> int:
        """Number of paths."""
        return int(self.branching**self.depth)

    @property
    def own_sound_paths(self) -> int:
        """Number of paths that are sound in one family only."""
        return round(self.own_sound * self.sound)

    @property
    def wrong_demonstrations(self) -> int:
        """Number of demonstrations with a wrong answer."""
        return round(self.wrong * self.demonstrations)

    @property
    def executable_demonstrations(self) -> int:
        """Number of demonstrations that the policy can execute."""
        return round(self.executable * (self.demonstrations - self.wrong_demonstrations))

    @property
    def flawed_paths(self) -> int:
        """Number of demonstrations with a right answer that the policy cannot execute."""
        return self.demonstrations - self.wrong_demonstrations - self.executable_demonstrations


def _invalid(name: str, value: float, limit: str, nearest: str) -> ValueError:
    return ValueError(f"{name}={value!r}: a world needs this {limit}. Nearest valid setting: {nearest}.")
