"""A world small enough to enumerate, where entropy collapse and its cures can be watched exactly.

Importing the package registers ``calibrl/ReasoningPaths-v0`` with gymnasium; ``python -m toy compare`` is the study.
"""

from gymnasium.envs.registration import register

from toy.world import Kind, Paths, Tree, World, build_paths

__all__ = ["Kind", "Paths", "Tree", "World", "build_paths"]

register(
    id="calibrl/ReasoningPaths-v0",
    entry_point="toy.world.environment:ReasoningPathsEnv",
    vector_entry_point="toy.world.environment:ReasoningPathsVectorEnv",
)
