"""`calibrl/ReasoningPaths-v0`: one step is one reasoning decision, and only the last one is rewarded.

An observation is a single integer: ``family * (nodes + paths) + position``, where ``position`` is the place in the
prefix tree in heap order (0 is the root; option a of node i leads to ``i * branching + a + 1``; the leaves come last).
The reward is 0 until the last decision, then 1 if the verifier accepts the answer, with the path's own chance.
"""

from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Discrete, MultiDiscrete
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray

from toy.world.kinds import KIND_COLOURS, Kind
from toy.world.paths import build_paths
from toy.world.settings import World
from toy.world.tree import Tree

Info = dict[str, Any]


class ReasoningPathsEnv(gymnasium.Env[np.int64, np.int64]):
    """One prompt at a time: ``gymnasium.make("calibrl/ReasoningPaths-v0")``.

    Args:
        layout_seed: which path is of which kind; the seed of ``reset`` only draws prompts and outcomes.
        render_mode: None, "ansi" (the options taken, as text) or "rgb_array" (the path tree).
        **settings: the fields of :class:`toy.world.World`.

    Raises:
        ValueError: the world is impossible, or ``render_mode`` is not one of the above.

    Example:
        >>> env = gymnasium.make("calibrl/ReasoningPaths-v0", depth=2, sound=1, shortcuts=2, demonstrations=1)
        >>> observation, info = env.reset(seed=0)
        >>> observation, reward, terminated, truncated, info = env.step(3)
        >>> int(observation), terminated
        (4, False)
    """

    metadata: dict[str, Any] = {"render_modes": ["ansi", "rgb_array"], "render_fps": 4}  # noqa: RUF012  # gymnasium's own

    def __init__(self, *, layout_seed: int = 0, render_mode: str | None = None, **settings: float) -> None:
        if render_mode is not None and render_mode not in self.metadata["render_modes"]:
            valid = self.metadata["render_modes"]
            raise ValueError(f"render_mode={render_mode!r}: expected None or one of {valid}. Fix: choose one of these.")
        self.world = World(**settings)  # type: ignore[arg-type]  # World itself checks which fields are whole numbers
        self.tree = Tree(self.world.depth, self.world.branching)
        self.paths = build_paths(self.world, [layout_seed])
        self.render_mode = render_mode
        self.observation_space = Discrete(self.world.families * (self.tree.nodes + self.tree.paths))
        self.action_space = Discrete(self.world.branching)
        self._family, self._position = 0, 0

    def reset(self, *, seed: int | None = None, options: Info | None = None) -> tuple[np.int64, Info]:
        """Draw a prompt; ``options={"family": f}`` asks for one of that family."""
        super().reset(seed=seed)
        family = (options or {}).get("family")
        self._family = int(self.np_random.integers(self.world.families)) if family is None else int(family)
        if not 0 <= self._family < self.world.families:
            raise ValueError(f"options['family']={family!r}: expected 0 to {self.world.families - 1}. Fix: pass one.")
        self._position = 0
        return self._observation(), {"family": self._family}

    def step(self, action: np.int64) -> tuple[np.int64, float, bool, bool, Info]:
        """Take one option; the last one ends the episode and is verified."""
        if not self.action_space.contains(action):
            raise ValueError(f"action={action!r}: expected 0 to {self.world.branching - 1}. Fix: pass such an int.")
        if self._position >= self.tree.nodes:
            raise RuntimeError("step() after the end of an episode. Fix: call reset() first.")
        self._position = self._position * self.world.branching + int(action) + 1
        if self._position < self.tree.nodes:
            return self._observation(), 0.0, False, False, {"family": self._family}
        path = self._position - self.tree.nodes
        correct = bool(self.np_random.random() < self.paths.success[0, self._family, path])
        flipped = bool(self.np_random.random() < self.world.reward_noise)
        info = {"family": self._family, "path": path, "kind": self._kind(path), "correct": correct}
        return self._observation(), float(correct != flipped), True, False, info

    def render(self) -> str | NDArray[np.uint8] | None:
        """The present place in the tree, in the form asked for on construction."""
        if self.render_mode == "rgb_array":
            return self._picture()
        return self._text() if self.render_mode == "ansi" else None

    def _observation(self) -> np.int64:
        return np.int64(self._family * (self.tree.nodes + self.tree.paths) + self._position)

    def _kind(self, path: int) -> str:
        return Kind(self.paths.kind[0, self._family, path]).name.lower()

    def _prefix(self) -> list[int]:
        """Positions from the root to the present one."""
        positions = [self._position]
        while positions[-1] > 0:
            positions.append((positions[-1] - 1) // self.world.branching)
        return positions[::-1]

    def _text(self) -> str:
        taken = [str((position - 1) % self.world.branching) for position in self._prefix()[1:]]
        open_steps = ["."] * (self.world.depth - len(taken))
        ended = self._position >= self.tree.nodes
        kind = f"  {self._kind(self._position - self.tree.nodes)}" if ended else ""
        return f"prompt of family {self._family}: " + " > ".join(taken + open_steps) + kind

    def _picture(self, cell: int = 24) -> NDArray[np.uint8]:
        """The tree, a row of cells for each level: the prefix taken is black, the leaves have their kind's colour."""
        column = max(1, min(4, 1024 // self.tree.paths))  # pixels of a leaf
        image = np.full(((self.world.depth + 1) * cell, self.tree.paths * column, 3), 255, dtype=np.uint8)
        palette = np.array([bytes.fromhex(KIND_COLOURS[kind][1:]) for kind in Kind], dtype="S3")
        colours = palette.view(np.uint8).reshape(-1, 3)
        image[-cell:] = np.repeat(colours[self.paths.kind[0, self._family]], column, axis=0)
        for level in range(self.world.depth):
            edges = np.arange(self.world.branching**level) * self.world.branching ** (self.world.depth - level) * column
            image[level * cell : (level + 1) * cell, edges] = 170  # a thin line between neighbouring nodes
        for level, position in enumerate(self._prefix()):
            first = (self.world.branching**level - 1) // (self.world.branching - 1)
            span = self.world.branching ** (self.world.depth - level) * column
            left = (position - first) * span
            image[level * cell : (level + 1) * cell - 4, left : left + span] = 0
        return image


class ReasoningPathsVectorEnv(VectorEnv[NDArray[np.int64], NDArray[np.int64], NDArray[Any]]):
    """Many prompts at a time: ``gymnasium.make_vec("calibrl/ReasoningPaths-v0", num_envs=64)``.

    All responses have the same length, so the copies stay in step with each other: they end together, and the next call
    of ``step`` starts new prompts (gymnasium's next-step autoreset).

    Args:
        num_envs: number of copies.
        layout_seed: as in :class:`ReasoningPathsEnv`; all copies share the layout.
        **settings: the fields of :class:`toy.world.World`.
    """

    metadata: dict[str, Any] = {"render_modes": [], "autoreset_mode": AutoresetMode.NEXT_STEP}  # noqa: RUF012  # as above

    def __init__(self, *, num_envs: int = 1, layout_seed: int = 0, **settings: float) -> None:
        self.num_envs = num_envs
        self.world = World(**settings)  # type: ignore[arg-type]  # World itself checks which fields are whole numbers
        self.tree = Tree(self.world.depth, self.world.branching)
        self._success = build_paths(self.world, [layout_seed]).success[0].ravel()
        self._places = self.tree.nodes + self.tree.paths
        self.single_observation_space = Discrete(self.world.families * self._places)
        self.single_action_space = Discrete(self.world.branching)
        self.observation_space = MultiDiscrete(np.full(num_envs, self.single_observation_space.n))
        self.action_space = MultiDiscrete(np.full(num_envs, self.world.branching))
        self._zeros, self._never = np.zeros(num_envs), np.zeros(num_envs, dtype=np.bool_)
        self._always = ~self._never
        for constant in (self._zeros, self._never, self._always):
            constant.flags.writeable = False
        self._family: NDArray[np.int64] | int = 0
        self._position = np.zeros(num_envs, dtype=np.int64)
        self._decisions = self.world.depth

    def reset(self, *, seed: int | None = None, options: Info | None = None) -> tuple[NDArray[np.int64], Info]:
        """Start a new prompt in every copy; ``options`` are not used."""
        super().reset(seed=seed, options=options)
        return self._start(), {}

    def step(
        self, actions: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], Info]:
        """Take one option in every copy; after an end, start new prompts and ignore ``actions``."""
        if self._decisions == self.world.depth:
            return self._start(), self._zeros, self._never, self._never, {}
        # one comparison finds both a negative option (huge when read as unsigned) and one that does not exist
        if actions.astype(np.int64, copy=False).view(np.uint64).max() >= self.world.branching:
            raise ValueError(f"actions={actions!r}: expected 0 to {self.world.branching - 1} in each. Fix: clip them.")
        self._position = self._position * self.world.branching + (actions + 1)
        self._decisions += 1
        if self._decisions < self.world.depth:
            return self._observation(), self._zeros, self._never, self._never, {}
        return self._finish()

    def _start(self) -> NDArray[np.int64]:
        self._decisions = 0
        self._position = np.zeros(self.num_envs, dtype=np.int64)
        if self.world.families > 1:
            self._family = self.np_random.integers(self.world.families, size=self.num_envs)
        return self._observation()

    def _observation(self) -> NDArray[np.int64]:
        if self.world.families == 1:
            return self._position.copy()
        return self._position + self._family * self._places

    def _finish(
        self,
    ) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], Info]:
        path = self._position - self.tree.nodes
        correct = self.np_random.random(self.num_envs) < self._success[path + self._family * self.tree.paths]
        reward = correct
        if self.world.reward_noise:
            reward = correct ^ (self.np_random.random(self.num_envs) < self.world.reward_noise)
        return self._observation(), reward.astype(np.float64), self._always, self._never, {"path": path}
