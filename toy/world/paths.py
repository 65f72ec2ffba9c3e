"""Which path is of which kind, how likely it is, and how often it succeeds: drawn for each seed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from toy.world.kinds import Kind
from toy.world.settings import World


@dataclass(frozen=True)
class Paths:
    """The paths of several independent worlds, one for each seed.

    Attributes:
        kind: kind of each path, ``[seeds, families, paths]``.
        success: chance that the policy's attempt at a path is right, ``[seeds, families, paths]``.
        prior: the untrained policy's distribution, ``[seeds, paths]``.
        demonstration: the expert's paths, ``[seeds, demonstrations]``.
        demonstration_correct: whether the expert's answer is right, ``[seeds, demonstrations]``.
    """

    kind: NDArray[np.int64]
    success: NDArray[np.float64]
    prior: NDArray[np.float64]
    demonstration: NDArray[np.int64]
    demonstration_correct: NDArray[np.bool_]


def build_paths(world: World | Sequence[World], seeds: Sequence[int]) -> Paths:
    """Lay out the paths of a world, independently for each seed.

    Args:
        world: the settings; or one for each seed, which must agree in :data:`SHAPE_FIELDS`.
        seeds: one non-negative seed for each independent layout.

    Returns:
        The tables; a seed's rows do not depend on the other seeds.

    Example:
        >>> paths = build_paths(World(), seeds=[0, 1])
        >>> [int((paths.kind[0, 0] == kind).sum()) for kind in Kind]
        [8, 4, 12, 232]
    """
    worlds = [world] * len(seeds) if isinstance(world, World) else world
    layouts = [_build_one(one, np.random.default_rng([seed, 0])) for one, seed in zip(worlds, seeds, strict=True)]
    return Paths(*(np.stack(column) for column in zip(*layouts, strict=True)))


def _build_one(world: World, rng: np.random.Generator) -> tuple[NDArray[np.generic], ...]:
    counts = [world.sound, world.shortcuts, world.flawed_paths]
    sound, shortcuts, flawed, unsound = np.split(rng.permutation(world.paths), np.cumsum(counts))
    layout = np.full(world.paths, int(Kind.UNSOUND))
    for members, value in ((sound, Kind.SOUND), (shortcuts, Kind.SHORTCUT), (flawed, Kind.FLAWED)):
        layout[members] = value
    kind = np.tile(layout, (world.families, 1))
    kind[:, sound] = np.where(_sound_in(world), Kind.SOUND, Kind.FLAWED)
    wrong = world.wrong_demonstrations
    demonstration = np.concatenate([sound[_executable(world)], flawed, unsound[:wrong]])
    correct = np.arange(world.demonstrations) < world.demonstrations - wrong
    return kind, _success(world, kind, rng), _prior(world, layout, rng), demonstration, correct


def _sound_in(world: World) -> NDArray[np.bool_]:
    """Whether a family can use a sound path, ``[families, sound]``: the last ones belong to one family each in turn."""
    own = np.arange(world.sound) - (world.sound - world.own_sound_paths)
    usable: NDArray[np.bool_] = (own < 0) | (own % world.families == np.arange(world.families)[:, None])
    return usable


def _executable(world: World) -> NDArray[np.int64]:
    """For each executable demonstration, the sound path that it shows: the least shown that its family can use."""
    sound_in, shown = _sound_in(world), np.zeros(world.sound, dtype=np.int64)
    chosen = np.zeros(world.executable_demonstrations, dtype=np.int64)
    for index in range(len(chosen)):
        usable = np.flatnonzero(sound_in[index % world.families])
        chosen[index] = usable[shown[usable].argmin()]
        shown[chosen[index]] += 1
    return chosen


def _success(world: World, kind: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float64]:
    by_kind = [world.sound_success, world.shortcut_success, world.flawed_success, world.unsound_success]
    success = np.array(by_kind)[kind]
    works = rng.random(success.shape) < success
    mixed = (1.0 - world.heterogeneity) * success + world.heterogeneity * works
    return np.where(kind == Kind.SHORTCUT, mixed, success)


def _prior(world: World, layout: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float64]:
    masses = (world.sound_prior, world.shortcut_prior, 1.0 - world.sound_prior - world.shortcut_prior)
    # one part in a million, or rounding would decide which of two equally likely paths is the likelier
    weight = 1.0 + 1e-6 * rng.random(layout.shape)
    prior = np.zeros(layout.shape)
    members = (layout == Kind.SOUND, layout == Kind.SHORTCUT, layout >= Kind.FLAWED)
    for mass, member in zip(masses, members, strict=True):
        prior[member] = mass * weight[member] / weight[member].sum()
    return prior
