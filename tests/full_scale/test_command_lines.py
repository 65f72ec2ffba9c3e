"""What a newcomer types: each command line works, or one line says what to type instead."""

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import nullcontext

import pytest
from realdata import ROOT
from tiny import save_tiny_checkpoint

from full_scale import evaluate, make_experts, pretrain, train
from full_scale.model.shipped import TINY_MODEL
from full_scale.run.command_line import read_command_line

MAIN = {"train": train.main, "evaluate": evaluate.main, "pretrain": pretrain.main, "make_experts": make_experts.main}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with what newcomers point at: models, a run's folder without one, a thesis, an editor's, data."""
    folder = tmp_path_factory.mktemp("newcomer")
    save_tiny_checkpoint(folder / "model")
    shutil.copytree(folder / "model", folder / "halfway" / "checkpoint-20")
    (folder / "thesis").mkdir()
    (folder / "thesis" / "chapter.tex").write_text("precious")
    (folder / "notes.txt").write_text("no data set")
    (folder / "no_data").mkdir()
    (folder / "data").mkdir()
    records = [{"ask": f"{number} + 1?", "answer": number + 1} for number in range(3)]
    (folder / "data" / "train.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    (folder / "adapters").mkdir()
    (folder / "adapters" / "adapter_config.json").write_text("{}")
    (folder / "editor").mkdir()
    (folder / "editor" / "settings.json").write_text('{"editor.fontSize": 12}')
    shutil.copytree(folder / "model", folder / "pickled")
    (folder / "pickled" / "model.safetensors").rename(folder / "pickled" / "pytorch_model.bin")
    shutil.copytree(folder / "model", folder / "cut")
    (folder / "cut" / "model.safetensors").write_bytes(b"")
    (folder / "preset.yaml").write_text("stepz: 3\n")
    (folder / "begun").mkdir()
    (folder / "begun" / "settings.json").write_text('{"model": "ti')
    return folder


REFUSED = (
    ("train --lr 1e-4", "--lr: .*did you mean --learning-rate"),
    ("train --learnig-rate 1e-4", "did you mean --learning-rate"),
    ("train --learning_rate 1e-4", "did you mean --learning-rate"),
    ("train --epochs 3", "did you mean --steps"),
    ("train --num_train_epochs 3", "did you mean --steps"),
    ("train --output-dir x", "did you mean --out"),
    ("train --batch-size 8", "did you mean --prompts-per-step"),
    ("train --model_name_or_path x", "did you mean --model"),
    ("train --data x", "did you mean --dataset"),
    ("train --force", "did you mean --overwrite"),
    ("train --num-generations 4", "did you mean --group-size"),
    ("train --bf16", "did you mean --mixed-precision"),
    ("train --gpu", "did you mean --needs-gpu"),
    ("train --wandb", "--help lists all"),
    ("train --lambda 1", "did you mean --exploration-weight"),
    ("train --save-steps 10", "did you mean --save-every"),
    ("train --resume-from-checkpoint x", "did you mean --checkpoint"),
    ("train --max-completion-length 9", "did you mean --max-response-length"),
    ("train --seed -1", "Fix: --seed 0"),
    ("train calibrl", "'calibrl': expected a flag in front of it"),
    ("train --steps 0", "Fix: --steps 1"),
    ("train --steps 1e3", "--steps: expected a whole number, got '1e3'"),
    ("train --steps -3", "Fix: --steps 1"),
    ("train --learning-rate fast", "--learning-rate: expected a number, got 'fast'"),
    ("train --learning-rate", "expected one argument"),
    ("train --temperature 0", "temperature=0.0: expected at least"),
    ("train --limit 0", "Fix: --limit 1"),
    ("train --group-size 5", "Fix: --micro-batch-rows 80"),
    ("train --method calbrl", "did you mean 'calibrl'"),
    ("train --method CalibRL", "did you mean 'calibrl'"),
    ("train --method calibrll", "did you mean 'calibrl'"),
    ("train --method ppo", "method='ppo': expected one of grpo, "),
    ("train --method grpo --slope 0.3", "choose a --method of calibrl"),
    ("train --method calibrl:slop=0.3", "did you mean --slope"),
    ("train --slope high", "--slope: expected a number, got 'high'"),
    ("train --gap token", "did you mean 'token_aligned'"),
    ("train --preset qwen-vl-7b", "did you mean 'qwen2.5-vl-7b'"),
    ("train --preset {place}/nothing.yaml", "nothing.yaml"),
    ("train --preset {place}/preset.yaml", "did you mean 'steps'"),
    ("train --preset qwen2.5-vl-7b", "need a GPU"),
    ("train --vllm", "expected one argument"),
    ("train --vllm server", "--vllm-url"),
    ("train --vllm yes", "expected one of none, colocate, server"),
    ("train --dtype fp16", "expected one of float32, bfloat16"),
    ("train --model ./my_model", "model='./my_model': .*there is no such folder"),
    ("train --model tinny", "did you mean 'tiny'"),
    ("train --model {place}/notes.txt", "it is a file"),
    ("train --lora-rank 2 --model {place}/adapters", "expected a whole model for --lora-rank.* --merge FOLDER"),
    ("train --model {place}/thesis", "neither config.json nor adapters"),
    ("train --model {place}/halfway", "did you mean {place}/halfway/checkpoint-20"),
    ("train --model {place}/pickled", "safetensors"),
    ("train --model {place}/cut", "safetensors"),
    ("train --model {place}/cut --dataset {place}/no_data", "safetensors"),  # before the data is read
    ("train --dataset nope", "unknown data set 'nope'"),
    ("train --dataset {place}/notes.txt", "notes.txt"),
    ("train --dataset {place}/no_data", "no_data"),
    (
        "train --dataset {place}/data",
        "columns answer, ask; wanted: question .* with --columns question=",
    ),
    ("train --dataset {place}/data --columns question=asked", "'asked'.* did you mean 'ask'"),
    ("train --dataset {place}/data --columns qestion=ask", "did you mean 'question'"),
    ("train --dataset {place}/data --columns ask", "expected question=NAME"),
    ("train --dataset {place}/data --columns question=ask", "--prompts-per-step 3"),
    ("train --dataset {place}/no_data --columns question=ask", "no table .* in {place}/no_data"),
    ("train --dataset generic", "Fix: generic:FOLDER"),
    ("train --dataset geometry3k", "Fix: geometry3k:FOLDER"),
    ("train --dataset mathvista:", "Fix: mathvista:FOLDER"),
    ("train --dataset https://huggingface.co/datasets/a/b", "a path, hub:<owner>/<name>"),
    ("train --limit 15", "limit: 15 problems, .* Fix: more problems, or --prompts-per-step 15"),
    ("train --limit 16 --experts column:nope", "nope"),
    ("train --experts solution", "column:<name>"),
    ("train --limit 16 --experts none", "choose --method grpo"),
    ("train --preset tiny-text --dataset rendered", "reads text only"),
    ("train --out {place}/notes.txt", "expected a folder, it is a file"),
    ("train --out {place}/thesis", "chapter.tex is no file of ours"),
    ("train --out {place}/thesis --overwrite", "chapter.tex is no file of ours"),
    ("train --out {place}/editor", "its settings.json is another program's. Fix: choose another --out"),
    ("train --out {place}/editor --resume", "its settings.json is another program's"),
    ("train --out {place}/editor --overwrite", "its settings.json is another program's"),
    ("train --out /proc/run", "/proc/run: cannot be written"),
    ("train --out {place}/new --resume", "holds no run"),
    ("train --resume --overwrite", "leave one out"),
    ("train --checkpoint 40", "Fix: add --resume"),
    ("train --out {place}/begun --resume", "settings.json: expected JSON"),
    ("train --lora-rank 4 --lora-dropout 0.05", "--lora-dropout: expected no dropout.* leave the flag out"),
    ("train --limit 16 --max-prompt-length 5", "max_prompt_length"),
    ("evaluate --model ./my_model", "there is no such folder"),
    ("evaluate --modle tiny", "did you mean --model"),
    ("evaluate runs/full_scale", "'runs/full_scale': expected a flag in front of it"),
    ("evaluate --samples eight", "--samples: expected a whole number, got 'eight'"),
    ("evaluate --dataset {place}/data --split train", "say which it is with --columns question="),
    ("evaluate --checkpoint x", "did you mean --model"),
    ("evaluate --max-new-tokens 9", "did you mean --max-response-length"),
    ("evaluate --model {place}/halfway", "did you mean {place}/halfway/checkpoint-20"),
    ("evaluate --dataset nope", "unknown data set 'nope'"),
    ("evaluate --split nope", "split"),
    ("evaluate --samples 2 --pass-at 8", "Fix: --samples 8"),
    ("evaluate --samples -1", "Fix: --samples 0"),
    ("evaluate --compare {place}/thesis", "Fix: --compare A B"),
    ("evaluate --compare {place}/thesis {place}/model", "expected a finished evaluation"),
    ("evaluate --out {place}/thesis --overwrite", "chapter.tex is no file of ours"),
    ("evaluate --out {place}/new --resume", "holds no run"),
    ("evaluate --model {place}/cut --dataset {place}/no_data", "safetensors"),
    ("evaluate --merge {place}/merged", "'.*tiny.*' has no adapters.* Fix: --model with the folder of a run"),
    ("evaluate --model {place}/model --merge {place}/merged", "has no adapters"),
    ("evaluate --model {place}/adapters --merge {place}/thesis", "in use"),
    ("pretrain", "it is in use"),
    ("pretrain --wrld", "did you mean --world"),
    ("pretrain --steps 0", "Fix: --steps 1"),
    ("make_experts", "--base-url, --model, --dataset, --out: expected, but not given"),
    ("make_experts --url http://h/v1", "did you mean --base-url"),
    ("make_experts --api-key secret", "did you mean --key-variable"),
    ("make_experts --base-url localhost:8000 --model m --dataset rendered --out e.jsonl", "Fix: http://HOST:8000/v1"),
    ("make_experts --base-url http://h/v1 --model m --dataset nope --out {place}/e.jsonl", "unknown data set 'nope'"),
    ("make_experts --base-url u --model m --dataset rendered --out {place}/e.jsonl --tries 0", "Fix: --tries 1"),
    ("make_experts --base-url u --model m --dataset rendered --out {place}/e.jsonl", "base_url"),
)


@pytest.mark.parametrize(("line", "message"), REFUSED, ids=[line for line, _ in REFUSED])
def test_a_mistake_is_one_line_that_says_what_to_type(tmp_path, place, line, message, monkeypatch):
    monkeypatch.chdir(tmp_path)
    script, *flags = line.format(place=place).split()
    before = content(place)
    with pytest.raises(ValueError, match=message.format(place=re.escape(str(place)))) as caught:
        MAIN[script](flags)
    said = str(caught.value)
    assert len(said.splitlines()) == 1
    assert len(said) < 900
    assert content(place) == before
    assert list(tmp_path.rglob("*")) == []  # nothing was begun


def content(folder):
    return sorted(path for path in folder.rglob("*"))


ACCEPTED = (
    ("train --print-config", "learning_rate"),
    ("train --preset tiny-text --print-config", "word_problems"),
    ("train --method calibrl:slope=0.3 --print-config", "slope                  0.3"),
    ("train --method calibrl --slope 0.3 --print-config", "slope                  0.3"),
    ("train --learning-rate=1e-5 --print-config", "1e-05"),
    ("train --limit none --print-config", "limit                  None"),
    ("train --no-instruct --strict --print-config", "skip_broken            False"),
    ("train --skip-broken --columns question=q,answer=a --print-config", "question=q,answer=a"),
    ("train --preset qwen2.5-vl-7b --print-config", "Qwen/Qwen2.5-VL-7B-Instruct"),
    ("train --help", "--learning-rate FLOAT"),
    ("evaluate --help", "--samples INT"),
    ("pretrain --help", "--world"),
    ("make_experts --help", "--base-url TEXT"),
)


@pytest.mark.parametrize(("line", "shown"), ACCEPTED, ids=[line for line, _ in ACCEPTED])
def test_these_work(tmp_path, line, shown, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    script, *flags = line.split()
    if "--help" in flags:
        with pytest.raises(SystemExit) as ending:
            MAIN[script](flags)
        assert ending.value.code == 0
    else:
        MAIN[script](flags)
    assert shown in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("script", ["train", "evaluate", "pretrain", "make_experts", "import_model", "ray_train"])
def test_a_script_runs_from_any_folder(tmp_path, script):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, str(ROOT / "full_scale" / f"{script}.py"), "--help"]
    ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert f"{script}.py" in ended.stdout
    assert list(tmp_path.iterdir()) == []


def records(*answers):
    rows = [{"question": f"{number} + 1?", "answer": answer} for number, answer in enumerate(answers)]
    return "".join(json.dumps(row) + "\n" for row in rows)


BROKEN = {
    "train": "--method grpo --steps 1 --prompts-per-step 2 --group-size 2 --micro-batch-rows 4 --evaluate-problems 0 "
    "--max-response-length 4 --model {place}/model --out {out}",
    "evaluate": "--split train --max-response-length 4 --model {place}/model --out {out}",
    "make_experts": "--base-url http://127.0.0.1:9/v1 --retries 0 --model m --out {out}/experts.jsonl",
}


@pytest.mark.filterwarnings("ignore:`gradient_checkpointing` is deprecated:FutureWarning")  # read by TRL 1.16
@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")  # read by TRL 1.16
@pytest.mark.parametrize("script", BROKEN)
def test_broken_records_are_refused_or_left_out_alike(script, tmp_path, place):
    out, table = tmp_path / "out", tmp_path / "train.jsonl"
    flags = [*BROKEN[script].format(place=place, out=out).split(), "--dataset", str(table)]
    table.write_text(records(1, "", 3))
    for strict in ([], ["--strict"]):
        with pytest.raises(ValueError, match=r"the answer is empty.*--skip-broken leaves such records out"):
            MAIN[script]([*flags, *strict])
        assert not out.exists()
    refused = pytest.raises(ValueError, match="server") if script == "make_experts" else nullcontext()  # there is none
    with refused:
        MAIN[script]([*flags, "--skip-broken"])
    (line,) = map(json.loads, (out / "quarantine.jsonl").read_text().splitlines())
    assert (line["dataset"], line["split"], line["row"]) == ("generic", "train", 2)
    assert "the answer is empty" in line["reason"]
    table.write_text(records(1, "", ""))
    with pytest.raises(ValueError, match=r"2 of 3 records \(67%\) are broken.*At most 50% may be left out"):
        MAIN[script]([*flags, "--skip-broken", *(["--overwrite"] if script != "make_experts" else [])])


@pytest.mark.parametrize("script", ["train", "evaluate", "make_experts"])
def test_broken_records_are_spoken_of_in_the_same_words(script, capsys):
    with pytest.raises(SystemExit):
        MAIN[script](["--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert (
        "--skip-broken leave out broken records and list them in quarantine.jsonl; else the first ends the program"
        in shown
    )
    assert "--strict the opposite of --skip-broken" in shown


def test_a_finished_evaluation_of_a_runs_checkpoint_uses_the_runs_settings(tmp_path, place):
    (tmp_path / "run").mkdir()
    shutil.copytree(TINY_MODEL, tmp_path / "run" / "checkpoint-20")
    settings = {"max_response_length": 5, "instruct": False}
    of_run = dataclasses.asdict(read_command_line([]).settings) | settings
    (tmp_path / "run" / "settings.json").write_text(json.dumps(of_run))
    flags = ["--model", str(tmp_path / "run" / "checkpoint-20"), "--limit", "1", "--out", str(tmp_path / "e")]
    found = evaluate.main(flags)["settings"]
    assert {name: found[name] for name in settings} == settings
