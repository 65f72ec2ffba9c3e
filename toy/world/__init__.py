"""The world: a tree of reasoning paths, each with its own chance of a verified answer, and an expert.

A prompt is answered by ``depth`` decisions out of ``branching`` options, so a response is one of ``branching ** depth``
paths and every quantity can be enumerated. There are four kinds of path:

* **sound**: almost always verified, and rare under the untrained policy;
* **shortcut**: verified more often than not, and most of the untrained policy's mass;
* **flawed**: shown by the expert with a verified answer, but the policy that takes it usually fails;
* **unsound**: almost never verified.
"""

from toy.world.kinds import KIND_COLOURS, Kind
from toy.world.paths import Paths, build_paths
from toy.world.settings import MAX_PATHS, SHAPE_FIELDS, World
from toy.world.tree import Tree

__all__ = ["KIND_COLOURS", "MAX_PATHS", "SHAPE_FIELDS", "Kind", "Paths", "Tree", "World", "build_paths"]
