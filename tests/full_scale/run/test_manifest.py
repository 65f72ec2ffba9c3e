"""A checkpoint's manifest: whole, cut off, damaged, another's."""

import hashlib
import json
import os
import re

import pytest

from full_scale.run.manifest import MANIFEST_FILE, checkpoints, read_manifest, update_of, verify, write_manifest


@pytest.fixture
def checkpoint(tmp_path):
    folder = tmp_path / "checkpoint-3"
    (folder / "part").mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "part" / "state.json").write_text("{}")
    write_manifest(folder, {"method": "calibrl"})
    return folder


def test_the_manifest_names_every_file_with_size_and_checksum(checkpoint):
    manifest = json.loads((checkpoint / MANIFEST_FILE).read_text())
    assert manifest == {
        "method": "calibrl",
        "files": {
            "model.safetensors": {"bytes": 7, "sha256": hashlib.sha256(b"weights").hexdigest()},
            "part/state.json": {"bytes": 2, "sha256": hashlib.sha256(b"{}").hexdigest()},
        },
    }
    assert verify(checkpoint) == read_manifest(checkpoint) == manifest


def test_every_file_is_forced_to_the_disk_before_the_checkpoint_counts(checkpoint, monkeypatch):
    forced = []
    monkeypatch.setattr("os.fsync", lambda descriptor: forced.append(os.fstat(descriptor).st_ino))
    write_manifest(checkpoint, {})
    assert forced == [file.stat().st_ino for file in (*files(checkpoint), checkpoint / MANIFEST_FILE)]


def files(checkpoint):
    return checkpoint / "model.safetensors", checkpoint / "part" / "state.json"


def test_a_manifest_written_again_does_not_list_itself(checkpoint):
    write_manifest(checkpoint, {})
    assert set(verify(checkpoint)["files"]) == {"model.safetensors", "part/state.json"}


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "model.safetensors").write_bytes(b"weighty"), "model.safetensors: .* damaged"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"weight"), "model.safetensors: .* damaged"),
        (lambda folder: (folder / "part" / "state.json").unlink(), "part/state.json: .* is missing"),
        (lambda folder: (folder / MANIFEST_FILE).unlink(), "expected a manifest.json, there is none: .* was cut off"),
        (lambda folder: (folder / MANIFEST_FILE).write_text('{"files"'), "manifest.json: expected the JSON .* damaged"),
        (lambda folder: (folder / MANIFEST_FILE).write_text("[]"), "manifest.json: expected the JSON .* damaged"),
        (
            lambda folder: (folder / MANIFEST_FILE).write_bytes(b"\xff\xfe"),
            "expected the JSON .* damaged",
        ),
        (lambda folder: (folder / MANIFEST_FILE).write_text('{"files": 3}'), "manifest.json: expected the JSON"),
    ],
)
def test_what_is_not_as_it_was_written_is_named(checkpoint, damage, message):
    damage(checkpoint)
    with pytest.raises(ValueError, match=message) as raised:
        verify(checkpoint)
    assert str(raised.value).startswith(str(checkpoint))


def test_whole_checkpoints_come_in_the_order_of_their_updates(checkpoint):
    out = checkpoint.parent
    for name in ("checkpoint-10", "checkpoint-x", "former-checkpoint-1", "checkpoint-2.part"):
        (out / name).mkdir()
        write_manifest(out / name, {})
    (out / "checkpoint-11").mkdir()  # cut off
    assert [path.name for path in checkpoints(out)] == ["checkpoint-3", "checkpoint-10"]
    assert update_of(out / "checkpoint-10") == 10
    assert checkpoints(out / "nothing") == []


def test_one_flipped_bit_anywhere_is_found(checkpoint):
    file = checkpoint / "model.safetensors"
    whole = file.read_bytes()
    for bit in range(8 * len(whole)):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        file.write_bytes(flipped)
        with pytest.raises(ValueError, match=re.escape(str(file))):
            verify(checkpoint)
