import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.utils.seeding import np_random

import toy  # registers the environment
from toy.world import KIND_COLOURS, Kind

NAME = "calibrl/ReasoningPaths-v0"


@pytest.mark.parametrize("render_mode", ["ansi", "rgb_array"])
def test_passes_gymnasiums_checker(render_mode):
    check_env(gymnasium.make(NAME, render_mode=render_mode, families=2).unwrapped)


def walk(env, path):
    env.reset()
    for action in env.unwrapped.tree.options[path]:
        observation, reward, terminated, _truncated, info = env.step(action)
    return observation, reward, terminated, info


def test_an_episode_walks_the_path_and_ends_with_its_verdict():
    env = gymnasium.make(NAME, layout_seed=3)
    path = int(np.flatnonzero(env.unwrapped.paths.kind[0, 0] == Kind.SOUND)[0])
    observation, reward, terminated, info = walk(env, path)
    assert terminated
    assert observation == env.unwrapped.tree.nodes + path
    assert (info["path"], info["kind"]) == (path, "sound")
    assert reward == float(info["correct"])


def test_reward_frequency_is_the_paths_success_flipped_by_noise():
    env = gymnasium.make(NAME, reward_noise=0.25)
    env.reset(seed=0)
    path = int(np.flatnonzero(env.unwrapped.paths.kind[0, 0] == Kind.SHORTCUT)[0])
    rewards = [walk(env, path)[1] for _ in range(3000)]
    assert np.mean(rewards) == pytest.approx(0.6 * 0.75 + 0.4 * 0.25, abs=0.03)


def test_an_observation_is_the_place_in_the_familys_tree():
    env = gymnasium.make(NAME, families=2, depth=2, sound=1, shortcuts=2, demonstrations=1).unwrapped
    assert env.observation_space.n == 2 * 21
    assert env.action_space.n == 4
    start, info = env.reset(options={"family": 1})
    assert (start, info) == (21, {"family": 1})
    observation, reward, terminated, truncated, info = env.step(np.int64(2))
    assert (observation, reward, terminated, truncated, info) == (21 + 3, 0.0, False, False, {"family": 1})
    observation, _, terminated, truncated, info = env.step(np.int64(1))  # option 1 of node 3: leaf 3 * 4 + 2
    assert (observation, terminated, truncated) == (21 + 14, True, False)
    assert (info["family"], info["path"], info["kind"]) == (1, 14 - 5, Kind(env.paths.kind[0, 1, 9]).name.lower())


def test_prompts_are_drawn_from_all_families_by_the_seed():
    env = gymnasium.make(NAME, families=3).unwrapped
    env.reset(seed=0)
    drawn = [env.reset()[1]["family"] for _ in range(60)]
    assert np.bincount(drawn, minlength=3).min() >= 10
    assert env.reset(seed=5)[1] == env.reset(seed=5)[1]
    assert [env.reset(options={"family": family})[0] for family in (0, 2)] == [0, 2 * 341]


def test_the_verdict_is_drawn_before_the_noise_from_the_environments_generator():
    env = gymnasium.make(NAME, reward_noise=0.5, unsound_success=0.5).unwrapped
    outcomes = []
    for seed in range(20):
        _, reward, _, info = walk_seeded(env, seed)
        stream = np.random.default_rng(0)
        stream.bit_generator.state = env_stream(seed)
        right, flipped = stream.random() < 0.5, stream.random() < 0.5
        assert (info["correct"], reward) == (right, float(right != flipped))
        outcomes.append((info["correct"], reward))
    assert len(set(outcomes)) == 4


def walk_seeded(env, seed):
    """An unsound path with outcomes of this seed: the prompt's draw comes first."""
    path = int(np.flatnonzero(env.paths.kind[0, 0] == Kind.UNSOUND)[0])
    env.reset(seed=seed)
    for action in env.tree.options[path]:
        observation, reward, terminated, _, info = env.step(action)
    return observation, reward, terminated, info


def env_stream(seed):
    generator, _ = np_random(seed)
    generator.integers(1)
    return generator.bit_generator.state


def test_the_text_shows_the_options_taken_and_at_the_end_the_kind():
    env = gymnasium.make(NAME, render_mode="ansi", families=2, depth=3).unwrapped
    env.reset(options={"family": 1})
    assert env.render() == "prompt of family 1: . > . > ."
    env.step(2)
    assert env.render() == "prompt of family 1: 2 > . > ."
    for options in ((2, 0, 3), (0, 0, 0)):
        env.reset(options={"family": 1})
        for option in options:
            env.step(option)
        path = (options[0] * 4 + options[1]) * 4 + options[2]
        kind = Kind(env.paths.kind[0, 1, path]).name.lower()
        assert env.render() == "prompt of family 1: {} > {} > {}".format(*options) + f"  {kind}"
    assert gymnasium.make(NAME).unwrapped.render() is None


def test_the_picture_shows_the_prefix_in_black_and_the_leaves_in_their_kinds_colours():
    settings = {"depth": 3, "branching": 3, "sound": 2, "shortcuts": 2, "demonstrations": 2, "families": 2}
    env = gymnasium.make(NAME, render_mode="rgb_array", own_sound=1.0, **settings).unwrapped
    env.reset(options={"family": 1})
    env.step(np.int64(2))
    env.step(np.int64(1))
    picture = env.render()
    assert picture.shape == (4 * 24, 27 * 4, 3)
    leaves = ["#{:02X}{:02X}{:02X}".format(*picture[-1, 4 * path + 3]) for path in range(27)]
    assert leaves == [KIND_COLOURS[Kind(kind)] for kind in env.paths.kind[0, 1]]
    assert (picture[-24:] == picture[-1]).all()
    # level by level: how wide a node is, and which one is taken
    for level, (width, taken) in enumerate([(108, 0), (36, 2), (12, 7)]):
        rows = picture[24 * level : 24 * level + 24]
        edges = np.arange(108) % width == 0
        own = np.arange(108) // width == taken
        assert (rows[:20, own] == 0).all()
        assert (rows[:20, edges & ~own] == 170).all()
        assert (rows[:20, ~edges & ~own] == 255).all()
        assert (rows[20:, edges] == 170).all()  # four rows part it from the next level
        assert (rows[20:, ~edges] == 255).all()
    env.step(np.int64(1))
    leaf = (2 * 3 + 1) * 3 + 1
    assert (env.render()[72:92, leaf * 4 : leaf * 4 + 4] == 0).all()
    assert (env.render()[72:92, leaf * 4 + 4] != 0).any()
    assert (env.render()[92:96, leaf * 4] != 0).any()


@pytest.mark.parametrize(("depth", "width"), [(3, 256), (4, 1024), (5, 1024), (6, 4096)])
def test_a_large_trees_picture_has_narrow_leaves(depth, width):
    env = gymnasium.make(NAME, render_mode="rgb_array", depth=depth).unwrapped
    env.reset(seed=0)
    assert env.render().shape[1] == width


def test_misuse_is_refused():
    env = gymnasium.make(NAME).unwrapped
    env.reset(seed=0)
    for action in (4, -1):
        with pytest.raises(ValueError, match=f"action={action}: expected 0 to 3"):
            env.step(action)
    walk(env, 0)
    with pytest.raises(RuntimeError, match="reset"):
        env.step(0)
    for family in (1, -1):
        with pytest.raises(ValueError, match=rf"options\['family'\]={family}: expected 0 to 0"):
            env.reset(options={"family": family})
    with pytest.raises(ValueError, match="render_mode='human'"):
        toy.world.environment.ReasoningPathsEnv(render_mode="human")


@pytest.mark.parametrize("families", [1, 3])
def test_vector_form_gives_the_observations_and_rewards_of_the_single_one(families):
    settings = {"families": families, "shortcut_success": 1.0, "sound_success": 1.0}
    settings |= {"unsound_success": 0.0, "flawed_success": 0.0}  # deterministic, so both must agree exactly
    vector = gymnasium.make_vec(NAME, num_envs=64, vectorization_mode="vector_entry_point", **settings)
    single = gymnasium.make(NAME, **settings)
    start, _ = vector.reset(seed=0)
    actions = np.random.default_rng(0).integers(4, size=(4, 64))
    actions[:, 0] = single.unwrapped.tree.options[single.unwrapped.paths.demonstration[0, 0]]
    steps = [vector.step(row) for row in actions]
    for copy in range(64):
        family = int(start[copy]) // 341
        single.reset(options={"family": family})
        for action, (observation, reward, terminated, _, _) in zip(actions[:, copy], steps, strict=True):
            expected = single.step(action)
            assert (observation[copy], reward[copy], terminated[copy]) == expected[:3]
    assert steps[-1][1].sum() >= 1
    again, reward, terminated, _, _ = vector.step(actions[0])  # next-step autoreset: the action is ignored
    assert set(again % 341) == {0}
    assert not terminated.any()


def test_the_vector_forms_spaces_and_families():
    vector = gymnasium.make_vec(
        NAME, num_envs=90, vectorization_mode="vector_entry_point", families=3, depth=3
    ).unwrapped
    assert (vector.single_observation_space.n, vector.single_action_space.n) == (3 * 85, 4)
    assert vector.observation_space.nvec.tolist() == [3 * 85] * 90
    assert vector.action_space.nvec.tolist() == [4] * 90
    start, info = vector.reset(seed=0)
    assert info == {}
    assert np.bincount(start // 85, minlength=3).min() >= 15
    assert set(start % 85) == {0}
    ended = [vector.step(np.zeros(90, dtype=np.int64))[2].all() for _ in range(7)]
    assert ended == [False, False, True, False, False, False, True]


def test_vector_form_rewards_each_copy_by_its_own_familys_success():
    """Own sound paths work in one family each; noise turns half of the verdicts."""
    settings = {"families": 3, "depth": 3, "sound": 3, "demonstrations": 15}
    settings |= {"own_sound": 1.0, "sound_success": 1.0, "flawed_success": 0.0}
    for noise, means in ((0.0, {0: 0.0, 1: 1.0}), (0.25, {0: 0.25, 1: 0.75})):
        vector = gymnasium.make_vec(
            NAME, num_envs=4000, vectorization_mode="vector_entry_point", reward_noise=noise, **settings
        )
        single = gymnasium.make(NAME, **settings).unwrapped
        path = int(np.flatnonzero(single.paths.kind[0, 2] == Kind.SOUND)[0])
        start, _ = vector.reset(seed=1)
        for action in single.tree.options[path]:
            observation, reward, _, truncated, info = vector.step(np.full(4000, action))
        assert not truncated.any()
        assert (info["path"] == path).all()
        assert (observation == start + 21 + path).all()
        own = start // 85 == 2
        assert reward[own].mean() == pytest.approx(means[1], abs=0.05)
        assert reward[~own].mean() == pytest.approx(means[0], abs=0.03)


@pytest.mark.parametrize("bad", [-1, 4])
def test_vector_form_refuses_an_option_that_does_not_exist(bad):
    vector = gymnasium.make_vec(NAME, num_envs=3, vectorization_mode="vector_entry_point")
    vector.reset(seed=0)
    with pytest.raises(ValueError, match="expected 0 to 3"):
        vector.step(np.array([0, bad, 1]))


def test_vector_rewards_follow_the_seed():
    def rewards(seed):
        vector = gymnasium.make_vec(NAME, num_envs=256, vectorization_mode="vector_entry_point", unsound_success=0.5)
        vector.reset(seed=seed)
        return [vector.step(np.full(256, 1))[1] for _ in range(4)][-1].tolist()

    assert rewards(0) == rewards(0)
    assert rewards(0) != rewards(1)
