import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import toy  # registers the environment
from toy.world import Kind

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


def test_renders_the_options_taken_and_the_tree():
    env = gymnasium.make(NAME, render_mode="ansi")
    env.reset(seed=0)
    env.step(2)
    assert env.render() == "prompt of family 0: 2 > . > . > ."
    picture = gymnasium.make(NAME, render_mode="rgb_array").unwrapped
    picture.reset(seed=0)
    before = picture.render()
    picture.step(0)
    assert before.shape[2] == 3
    assert (before != picture.render()).any()


def test_misuse_is_refused():
    env = gymnasium.make(NAME).unwrapped
    env.reset(seed=0)
    with pytest.raises(ValueError, match="action=4: expected 0 to 3"):
        env.step(4)
    walk(env, 0)
    with pytest.raises(RuntimeError, match="reset"):
        env.step(0)
    with pytest.raises(ValueError, match="family"):
        env.reset(options={"family": 1})
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
