"""A run's folder: what it was begun with, what may change, and from where it goes on."""

import dataclasses
import json

import pytest

from cli.folder import Output
from full_scale.run import folder as module
from full_scale.run.command_line import read_command_line
from full_scale.run.folder import (
    begin,
    check_same_settings,
    checkpoint_to_resume,
    fingerprint,
    finished_results,
    forget_later_metrics,
    go_on,
    read_metrics,
    run_folder,
    set_aside_later,
    versions,
)

CONSTANT = ("--learning-rate-schedule", "constant")
VERSIONS = {"torch": "1", "trl": "2"}


def settings_of(*flags):
    return read_command_line([*CONSTANT, *flags]).settings


@pytest.fixture
def begun(tmp_path):
    """The folder of a run that was begun with constant settings."""
    with run_folder(tmp_path / "out") as folder:
        begin(folder, settings_of(), data="abc", versions=VERSIONS)
    return folder


def test_a_run_begins_with_its_settings_and_origin(begun):
    stored = json.loads((begun.path / "settings.json").read_text())
    assert stored == dataclasses.asdict(settings_of())
    assert json.loads((begun.path / "origin.json").read_text()) == {"data": "abc", "versions": VERSIONS}


REAL = (
    "checkpoint-2/model.safetensors",
    "checkpoint-2/optimizer.pt",
    "checkpoint-2/rng_state.pth",
    "checkpoint-2/trainer_state.json",
    "checkpoint-2/chat_template.jinja",
    "checkpoint-2/training_args.bin",
    "checkpoint-2/README.md",
    "checkpoint-2/merges.txt",
    "former-1-checkpoint-3/model.safetensors",
    "checkpoint-2/global_step2/mp_rank_00_model_states.pt",
    "checkpoint-2/pytorch_model_fsdp_0/__0_0.distcp",
    "checkpoint-2/manifest.json",
    "checkpoint-2/rollouts_0.pt",
    "saving-checkpoint/checkpoint-4/model.safetensors",
    "skipped/update-3-0.pt",
    "runs/Nov25_host/events.out.tfevents.1",
    "metrics.jsonl",
    "metrics.jsonl.part",
    "model-00001-of-00002.safetensors",
    "adapter_model.safetensors",
    "tokenizer.json",
    "curves.png",
    "answers.html",
    *("results.json", "origin.json", "crash.json", "quarantine.jsonl", "held_out_before.json", "settings.json"),
    *("config.json", "generation_config.json", "model.safetensors", "model.safetensors.index.json", "README.md"),
    *("adapter_config.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json"),
    *("merges.txt", "vocab.txt", "tokenizer.model", "chat_template.jinja", "chat_template.json", "curves.svg"),
    *("processor_config.json", "preprocessor_config.json", "video_preprocessor_config.json", "training_args.bin"),
)
FOREIGN = (
    "thesis.tex",
    "model.ckpt",
    "my.safetensors",
    "checkpoint-2/notes.md",
    "data/train.json",
    "runs/a/b",
    "x.part",
)


def test_a_runs_own_files_are_known_and_others_are_not(begun):
    for name in (*REAL, *FOREIGN):
        (begun.path / name).parent.mkdir(parents=True, exist_ok=True)
        (begun.path / name).touch()
    assert sorted(begun.foreign()) == sorted(FOREIGN)
    with pytest.raises(ValueError, match="also holds"), begun:
        begin(begun, settings_of(), data="abc", versions=VERSIONS)
    assert all((begun.path / name).exists() for name in REAL)


def test_beginning_again_removes_the_former_run(begun):
    for name in REAL:
        (begun.path / name).parent.mkdir(parents=True, exist_ok=True)
        (begun.path / name).touch()
    with begun:
        begin(begun, settings_of("--seed", "3"), data="abc", versions=VERSIONS)
    assert sorted(path.name for path in begun.path.iterdir()) == ["origin.json", "settings.json"]
    assert json.loads((begun.path / "settings.json").read_text())["seed"] == 3


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--method", "grpo"], "method was 'calibrl', now 'grpo'"),
        (["--slope", "0.1", "--seed", "3"], r"seed was 0, now 3; recipe was {}, now {'slope': 0.1}. Fix: resume with"),
        (["--evaluate-problems", "3"], "evaluate_problems was 300, now 3"),
        (["--learning-rate-schedule", "linear"], "learning_rate_schedule was 'constant', now 'linear'"),
    ],
)
def test_other_settings_are_refused(begun, flags, message):
    with pytest.raises(ValueError, match=message):
        check_same_settings(begun.path, settings_of(*flags))


def test_the_number_of_steps_may_change_where_no_update_depends_on_it(tmp_path, begun):
    check_same_settings(begun.path, settings_of("--steps", "500", "--save-every", "3"))
    for flags in (["--learning-rate-schedule", "linear"], ["--method", "sft_grpo"]):
        with run_folder(tmp_path / flags[1]) as folder:
            begin(folder, settings_of(*flags), data="abc", versions=VERSIONS)
        check_same_settings(folder.path, settings_of(*flags, "--save-every", "7"))
        with pytest.raises(ValueError, match="steps was 90, now 500, on which the schedule depends"):
            check_same_settings(folder.path, settings_of(*flags, "--steps", "500"))


def test_a_setting_that_is_newer_than_the_run_had_its_default(begun):
    file = begun.path / "settings.json"
    stored = json.loads(file.read_text())
    del stored["remote_code"], stored["vllm"]
    file.write_text(json.dumps(stored))
    begun.check(Output(out=begun.path, resume=True))
    check_same_settings(begun.path, settings_of())
    with pytest.raises(ValueError, match="vllm was 'none', now 'colocate'"):
        check_same_settings(begun.path, settings_of("--vllm", "colocate"))


@pytest.mark.parametrize("flags", [{}, {"resume": True}, {"overwrite": True}])
def test_half_written_settings_are_named(begun, flags):
    (begun.path / "settings.json").write_text('{"model": "ti')
    with pytest.raises(ValueError, match=r"settings.json: expected JSON, perhaps it was cut off"):
        begun.check(Output(out=begun.path, **flags))


@pytest.mark.parametrize("flags", [{}, {"resume": True}, {"overwrite": True}])
@pytest.mark.parametrize("text", ["{}", "[1]", '{"editor.fontSize": 12}', '{"model": "tiny", "dataset": "rendered"}'])
def test_another_programs_settings_are_never_touched(tmp_path, flags, text):
    """An editor's folder, or a model's to which somebody added settings, has none but our names."""
    for name in ("settings.json", "config.json", "model.safetensors"):
        (tmp_path / name).write_text(text)
    folder = run_folder(tmp_path)
    assert folder.foreign() == []
    with pytest.raises(ValueError, match=r"its settings\.json is another program's\. Fix: choose another --out"):
        folder.check(Output(out=tmp_path, **flags))
    with pytest.raises(ValueError, match="another program's"), folder:
        begin(folder, settings_of(), data="abc", versions=VERSIONS)
    assert (tmp_path / "model.safetensors").read_text() == text


def test_going_on_tells_what_has_changed(begun):
    with begun:
        assert go_on(begun, settings_of(), data="abc", versions=VERSIONS) == []
        lines = go_on(begun, settings_of("--steps", "500"), data="abc", versions=VERSIONS | {"trl": "3"})
    assert lines == ["steps was 90, now 500", "trl was 2, now 3"]
    assert json.loads((begun.path / "settings.json").read_text())["steps"] == 500
    with pytest.raises(ValueError, match=r"--resume: .* was begun with other data. Fix: restore it"), begun:
        go_on(begun, settings_of(), data="abd", versions=VERSIONS)
    (begun.path / "origin.json").unlink()  # a run of an older version
    with begun:
        assert go_on(begun, settings_of("--steps", "500"), data="abd", versions=VERSIONS) == []


def test_the_checkpoint_to_go_on_from(begun):
    assert checkpoint_to_resume(begun.path, None) is None
    for step in (2, 10, 4):
        (begun.path / f"checkpoint-{step}").mkdir()
        (begun.path / f"checkpoint-{step}" / "manifest.json").touch()
    (begun.path / "checkpoint-12").mkdir()  # cut off while it was written
    (begun.path / "checkpoint-x").mkdir()
    (begun.path / "former-1-checkpoint-12").mkdir()
    assert checkpoint_to_resume(begun.path, None).name == "checkpoint-10"
    assert checkpoint_to_resume(begun.path, "checkpoint-4").name == "checkpoint-4"
    for name in ("4", "4/", "checkpoint-4/", str(begun.path / "checkpoint-4")):
        assert checkpoint_to_resume(begun.path, name).name == "checkpoint-4"
    for wrong in ("5", "12", "checkpoint-x", "last"):
        with pytest.raises(ValueError, match=f"--checkpoint {wrong}: .*checkpoint-2, checkpoint-4, checkpoint-10. Fix"):
            checkpoint_to_resume(begun.path, wrong)


def test_later_checkpoints_are_set_aside_and_never_replaced(begun):
    for _ in range(2):
        for step in (2, 4, 10):
            (begun.path / f"checkpoint-{step}").mkdir(exist_ok=True)
            (begun.path / f"checkpoint-{step}" / "model.safetensors").touch()
        (begun.path / "checkpoint-11").mkdir()  # the place of one that was cut off
        renamed = set_aside_later(begun.path / "checkpoint-4")
    assert renamed == ["former-2-checkpoint-10"]
    names = sorted(path.name for path in begun.path.glob("*checkpoint*"))
    assert names == ["checkpoint-2", "checkpoint-4", "former-1-checkpoint-10", "former-2-checkpoint-10"]


def test_metrics_of_updates_that_are_done_again_are_dropped(tmp_path):
    file = tmp_path / "metrics.jsonl"
    forget_later_metrics(file, 0)
    file.write_text("".join(json.dumps({"step": step, "reward": 0.5}) + "\n" for step in (1, 2, 3)) + '{"step"')
    assert [record["step"] for record in read_metrics(file)] == [1, 2, 3]
    forget_later_metrics(file, 2)
    assert file.read_text() == '{"step": 1, "reward": 0.5}\n{"step": 2, "reward": 0.5}\n'


def test_a_run_is_finished_when_it_says_so_and_made_all_updates(begun):
    assert finished_results(begun.path, settings_of()) is None
    file = begun.path / "results.json"
    for stored, finished in (
        ({"finished": False, "steps": 90}, False),
        ({"finished": True, "steps": 90}, True),
        ({"finished": True, "steps": 89}, False),
        ({"steps": 90}, False),
    ):
        file.write_text(json.dumps(stored))
        assert finished_results(begun.path, settings_of()) == (stored if finished else None)
    file.write_text('{"finished"')
    with pytest.raises(ValueError, match=r"results.json: expected JSON"):
        finished_results(begun.path, settings_of())


def test_versions_are_known_without_package_metadata(monkeypatch):
    found = versions()
    assert found["trl"].startswith("1.16")
    assert set(found) == {"calibrl-ref", "torch", "transformers", "trl", "accelerate", "numpy"}

    def missing(name):
        raise module.PackageNotFoundError(name)

    monkeypatch.setattr(module, "version", missing)
    assert versions()["numpy"] == found["numpy"]
    assert versions()["calibrl-ref"]


def test_a_fingerprint_sees_order_and_borders():
    assert fingerprint(["a", "b"]) == fingerprint(iter(["a", "b"]))
    assert len({fingerprint(texts) for texts in (["a", "b"], ["b", "a"], ["ab"], ["a"], [])}) == 5


def test_the_folder_rule_holds_for_runs(begun):
    with pytest.raises(ValueError, match="it is in use"):
        begun.check(Output(out=begun.path))
