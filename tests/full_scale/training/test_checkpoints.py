"""Checkpoints: written beside and renamed, verified, of this run; rows that can be learnt from again."""

import errno
from dataclasses import asdict, fields, replace

import pytest
import torch
from batches import random_batch
from safetensors import SafetensorError
from tiny_runs import arguments

from full_scale.run.manifest import checkpoints, verify, write_manifest
from full_scale.training.batching import Batch
from full_scale.training.checkpoints import (
    STAGE,
    Origin,
    Progress,
    finish,
    last_checkpoint,
    load_micro_batches,
    read_checkpoint,
    rollouts_file,
    save_micro_batches,
    skipped_file,
    written_beside,
)
from full_scale.training.update import MicroBatch


@pytest.fixture
def origin(tmp_path):
    return Origin.of(torch.nn.Linear(2, 3), "calibrl", arguments(tmp_path))


def written(out, number, content=b"weights", **options):
    with written_beside(out, f"checkpoint-{number}") as stage:
        (stage / f"checkpoint-{number}").mkdir()
        (stage / f"checkpoint-{number}" / "model.safetensors").write_bytes(content)
        return finish(stage, f"checkpoint-{number}", options.pop("about", {}), **options)


def test_a_run_knows_its_method_model_and_order(origin):
    order = {"num_generations": 4, "num_iterations": 1, "steps_per_generation": 1, "gradient_accumulation_steps": 1}
    order |= {"seed": 42, "per_device_train_batch_size": 8, "processes": 1}
    assert asdict(origin) == {"method": "calibrl", "model": "Linear", "parameters": 9, "order": order}


def test_a_wrapped_model_counts_its_adapters_and_keeps_its_name(tmp_path):
    class Wrapped(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.base, self.adapter = torch.nn.Linear(2, 3), torch.nn.Linear(1, 1)

        def get_base_model(self):
            return self.base

    origin = Origin.of(Wrapped(), None, arguments(tmp_path))
    assert (origin.model, origin.parameters, origin.method) == ("Linear", 11, None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "grpo"}, "written with method 'grpo', this run has 'calibrl'. Fix: resume with the checkpoint's"),
        ({"model": "Other"}, "written with model 'Other', this run has 'Linear'"),
        ({"parameters": 3}, "written with parameters 3, this run has 9"),
        ({"order": {}}, "written with seed None, this run has 42"),
        ({"order": {"seed": 42, "num_generations": 8}}, "written with num_generations 8, this run has 4"),
    ],
)
def test_another_runs_checkpoint_is_refused(tmp_path, origin, change, message):
    folder = written(tmp_path, 3, about={"origin": asdict(origin)})
    assert read_checkpoint(folder, origin)["origin"] == asdict(origin)
    write_manifest(folder, {"origin": asdict(origin) | change})
    with pytest.raises(ValueError, match=f"checkpoint-3 was {message}"):
        read_checkpoint(folder, origin)
    write_manifest(folder, {})
    with pytest.raises(ValueError, match="written with method None"):
        read_checkpoint(folder, origin)


def test_of_a_damaged_checkpoint_the_previous_whole_one_is_offered(tmp_path, origin):
    about = {"origin": asdict(origin)}
    for number in (0, 1, 2, 4, 9):
        written(tmp_path, number, about=about)
    (tmp_path / "checkpoint-4" / "model.safetensors").write_bytes(b"wrong")
    message = r"model.safetensors: .* damaged. Fix: resume from checkpoint-2 \(--checkpoint checkpoint-2\)"
    with pytest.raises(ValueError, match=message):
        read_checkpoint(tmp_path / "checkpoint-4", origin)
    (tmp_path / "checkpoint-0" / "model.safetensors").unlink()
    with pytest.raises(ValueError, match=r"is missing. Fix: start anew"):
        read_checkpoint(tmp_path / "checkpoint-0", origin)


def test_the_last_whole_checkpoint(tmp_path):
    with pytest.raises(ValueError, match=r"expected a checkpoint to go on from, there is no whole one"):
        last_checkpoint(tmp_path)
    for number in (3, 9, 10):
        written(tmp_path, number)
    (tmp_path / "checkpoint-11").mkdir()
    assert last_checkpoint(tmp_path) == tmp_path / "checkpoint-10"


def test_a_checkpoint_gets_its_name_when_it_is_whole(tmp_path):
    with written_beside(tmp_path, "checkpoint-3") as stage:
        assert stage == tmp_path / STAGE
        assert (tmp_path / "checkpoint-3").is_dir()  # its place is taken
        assert checkpoints(tmp_path) == []
        (stage / "checkpoint-3").mkdir()
        (stage / "checkpoint-3" / "a").write_text("a")
        assert checkpoints(tmp_path) == []
        assert finish(stage, "checkpoint-3", {"by": "us"}) == tmp_path / "checkpoint-3"
    assert checkpoints(tmp_path) == [tmp_path / "checkpoint-3"]
    assert verify(tmp_path / "checkpoint-3")["by"] == "us"
    assert not (tmp_path / STAGE).exists()


def test_what_a_killed_run_left_is_cleared_and_a_damaged_checkpoint_is_replaced(tmp_path):
    (tmp_path / STAGE / "checkpoint-1").mkdir(parents=True)
    (tmp_path / STAGE / "checkpoint-1" / "half").write_text("half")
    (tmp_path / "checkpoint-3").mkdir()
    (tmp_path / "checkpoint-3" / "old").write_text("old")
    folder = written(tmp_path, 3)
    assert [path.name for path in folder.iterdir()] == ["model.safetensors", "manifest.json"] or sorted(
        path.name for path in folder.iterdir()
    ) == ["manifest.json", "model.safetensors"]
    assert not (tmp_path / STAGE).exists()


@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOSPC, "No space left on device"), RuntimeError("No space left"), SafetensorError("No space")],
)
def test_a_full_disk_leaves_the_earlier_checkpoint_and_says_where(tmp_path, error):
    def failing():
        with written_beside(tmp_path, "checkpoint-9") as stage:
            (stage / "checkpoint-9").mkdir()
            raise error

    with pytest.raises(ValueError, match=r"checkpoint-9: .* could not be written \(.*No space.*\); there is no"):
        failing()
    written(tmp_path, 3)
    with pytest.raises(ValueError, match=r"; checkpoint-3 is whole. Fix: make room on the disk, then --resume"):
        failing()
    assert checkpoints(tmp_path) == [tmp_path / "checkpoint-3"]
    verify(tmp_path / "checkpoint-3")
    assert not (tmp_path / STAGE).exists()


def test_of_several_processes_one_makes_the_folders(tmp_path):
    with written_beside(tmp_path, "checkpoint-3", is_main=False) as stage:
        assert not stage.exists()
        assert list(tmp_path.iterdir()) == []


def test_earlier_ones_are_removed_after_the_new_one_was_verified(tmp_path, monkeypatch):
    for number in (1, 2, 3):
        written(tmp_path, number)
    assert len(checkpoints(tmp_path)) == 3
    written(tmp_path, 4, keep=3)
    assert [path.name for path in checkpoints(tmp_path)] == ["checkpoint-2", "checkpoint-3", "checkpoint-4"]

    def refuse(folder):
        raise ValueError("damaged")

    monkeypatch.setattr("full_scale.training.checkpoints.verify", refuse)
    with pytest.raises(ValueError, match="damaged"):
        written(tmp_path, 5, keep=1)
    assert [path.name for path in checkpoints(tmp_path)] == ["checkpoint-2", "checkpoint-3", "checkpoint-4"]


def test_progress_is_read_as_it_was_written(tmp_path):
    progress = Progress(
        adapted={"slope": 0.1 + 0.2},
        sampled_at=4,
        skipped=3,
        skipped_in_a_row=2,
        equal_in_a_row=1,
        validation_losses=[0.7, 0.1 + 0.2],
        left_at=2,
        metrics={"rows": [5.0, 1 / 3]},
    )
    progress.save(tmp_path)
    assert Progress.load(tmp_path) == progress
    counts = dict.fromkeys(("sampled_at", "skipped", "skipped_in_a_row", "equal_in_a_row"), 0)
    assert Progress() == Progress(adapted={}, **counts, validation_losses=[], left_at=None, metrics={})


def test_micro_batches_are_read_as_they_were_written(tmp_path):
    rows = random_batch(2)
    pictures = {"pixel_values": [torch.rand(2, 3)] * 10, "num_images": [1] * 10, "mm_token_type_ids": torch.ones(10, 9)}
    rows = replace(rows, model_inputs=pictures, reference_log_prob=None)
    parts = [MicroBatch(rows=rows, derivatives=(rows.reward, rows.reward), share=0.5), MicroBatch(rows=rows, idle=True)]
    file = tmp_path / "new" / "folder" / "rows.pt"
    save_micro_batches(file, parts[:1])
    save_micro_batches(file, parts)
    first, second = load_micro_batches(file, "cpu:0")  # as a process's device is called
    assert first.rows.group.device.type == "cpu"
    assert load_micro_batches(file)[0].rows.group.device.type == "cpu"
    assert load_micro_batches(file, "meta")[0].rows.group.device.type == "meta"
    assert (first.idle, second.idle, first.share, first.derivatives) == (False, True, 0.0, None)
    for item in fields(Batch):
        wanted, found = getattr(rows, item.name), getattr(first.rows, item.name)
        if isinstance(wanted, torch.Tensor):
            assert torch.equal(wanted, found)
        elif item.name != "model_inputs":
            assert wanted == found
    assert torch.equal(first.rows.model_inputs["pixel_values"][3], pictures["pixel_values"][3])
    assert first.rows.model_inputs["num_images"] == [1] * 10


def test_a_pickle_with_code_is_not_read(tmp_path):
    torch.save([{"rows": arguments(tmp_path)}], tmp_path / "rows.pt")
    with pytest.raises(Exception, match=r"weights_only|Weights only"):
        load_micro_batches(tmp_path / "rows.pt")


def test_files_of_each_process(tmp_path):
    assert rollouts_file(tmp_path, 2) == tmp_path / "rollouts_2.pt"
    assert skipped_file(tmp_path, 17, 1) == tmp_path / "skipped" / "update-17-1.pt"
