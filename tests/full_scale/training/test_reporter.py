"""The progress line, metrics.jsonl and the orderly end."""

import io
import json
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest
from rich.console import Console
from transformers import TrainerControl, TrainerState

from cli.interruption import SIGNALS
from full_scale.run.folder import forget_later_metrics, read_metrics
from full_scale.training.reporter import Reporter, minutes_left

LOGS = {"reward": 0.5, "accuracy": 0.4, "entropy": 0.1, "loss/exploration": -0.02}


def trained(reporter, steps, state=None):
    state = state or TrainerState()
    control = TrainerControl()
    reporter.on_train_begin(None, state, control)
    for _ in range(steps):
        state.global_step += 1
        reporter.on_log(None, state, control, logs=LOGS)
        reporter.on_step_end(None, state, control)
    reporter.on_log(None, state, control, logs={"train_runtime": 3.0})
    return control


def reporter_on(tmp_path, steps, *, terminal=False):
    text = io.StringIO()
    console = Console(file=text, force_terminal=terminal, width=120)
    return Reporter(tmp_path / "metrics.jsonl", steps, console), text


def test_every_update_is_a_record_and_a_line_with_the_time_left(tmp_path):
    reporter, text = reporter_on(tmp_path, 3)
    with reporter:
        trained(reporter, 3)
    assert [record["step"] for record in read_metrics(tmp_path / "metrics.jsonl")] == [1, 2, 3]
    lines = text.getvalue().splitlines()
    assert lines[1].startswith("update 2/3  reward 0.500  accuracy 0.400  entropy 0.100  exploration -0.020")
    assert lines[1].rstrip().endswith("s left")
    assert len(lines) == 3


def test_a_resumed_run_counts_from_where_it_goes_on(tmp_path):
    reporter, text = reporter_on(tmp_path, 9, terminal=True)
    with reporter:
        reporter.on_train_begin(None, TrainerState(global_step=7), TrainerControl())
    assert "7/9" in text.getvalue()
    assert [minutes_left(seconds) for seconds in (59.4, 61.0, 600.0)] == [
        "0 min 59 s left",
        "1 min 1 s left",
        "10 min 0 s left",
    ]


def test_a_terminal_gets_one_live_line(tmp_path):
    reporter, text = reporter_on(tmp_path, 3, terminal=True)
    with reporter:
        trained(reporter, 3)
    assert "reward 0.500" in text.getvalue()
    assert "3/3" in text.getvalue()
    assert "update 2/3" not in text.getvalue()


def test_a_supervised_update_has_no_reward_and_is_logged_all_the_same(tmp_path):
    reporter, _ = reporter_on(tmp_path, 1)
    reporter.on_log(None, TrainerState(), TrainerControl(), logs={"loss/imitation": 2.0})
    assert read_metrics(tmp_path / "metrics.jsonl") == [{"step": 0, "loss/imitation": 2.0}]


def test_of_several_processes_one_writes(tmp_path):
    reporter, text = reporter_on(tmp_path, 1)
    reporter.on_log(None, TrainerState(is_world_process_zero=False), TrainerControl(), logs=LOGS)
    assert not (tmp_path / "metrics.jsonl").exists()
    assert text.getvalue() == ""


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_saves_and_the_second_stops(tmp_path, number):
    reporter, text = reporter_on(tmp_path, 9)
    former = signal.signal(number, signal.default_int_handler)  # a suite in the background may have it ignored
    try:
        with reporter:
            signal.raise_signal(number)
            control = trained(reporter, 1)
            assert control.should_save
            assert control.should_training_stop
            assert reporter.interrupted == number
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(number)
        assert signal.getsignal(number) is signal.default_int_handler
    finally:
        signal.signal(number, former)
    name = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
    assert f"{name}: finishing this update and saving a checkpoint for --resume" in text.getvalue()


class CutIn(io.StringIO):
    """A file during whose first write the program is asked to end."""

    def write(self, text):
        written = super().write(text)
        if self.getvalue().count("update 1/") == 1 and "SIGTERM" not in self.getvalue():
            signal.raise_signal(signal.SIGTERM)
        return written


def test_a_signal_in_the_middle_of_a_line_repeats_no_line(tmp_path):
    text = CutIn()
    reporter = Reporter(tmp_path / "metrics.jsonl", 3, Console(file=text, width=120))
    with reporter:
        trained(reporter, 1)
    assert text.getvalue().count("update 1/") == 1
    assert text.getvalue().count("SIGTERM: finishing") == 1


def test_a_signal_that_is_ignored_as_under_nohup_ends_no_run(tmp_path):
    reporter, _ = reporter_on(tmp_path, 9)
    former = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with reporter:
            signal.raise_signal(signal.SIGHUP)
            assert not trained(reporter, 1).should_training_stop
    finally:
        signal.signal(signal.SIGHUP, former)


def test_without_a_signal_a_run_goes_on(tmp_path):
    reporter, _ = reporter_on(tmp_path, 9)
    control = trained(reporter, 1)
    assert reporter.interrupted is None
    assert not control.should_save
    assert not control.should_training_stop


def test_a_signal_to_another_process_stops_this_one_too(tmp_path, monkeypatch):
    monkeypatch.setattr("full_scale.training.reporter.gather_object", lambda own: [*own, 15])
    reporter, _ = reporter_on(tmp_path, 9)
    assert trained(reporter, 1).should_training_stop
    assert reporter.interrupted == 15


def test_outside_the_main_thread_signals_are_left_alone(tmp_path):
    reporter, _ = reporter_on(tmp_path, 1)
    before = [signal.getsignal(number) for number in SIGNALS]
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(in_a_thread, reporter).result() == before
    assert read_metrics(tmp_path / "metrics.jsonl")[0]["step"] == 1


def in_a_thread(reporter):
    with reporter:
        trained(reporter, 1)
        return [signal.getsignal(number) for number in SIGNALS]


def test_a_number_that_is_not_finite_is_null(tmp_path):
    reporter, text = reporter_on(tmp_path, 1)
    logs = LOGS | {"loss": float("nan"), "grad_norm": float("inf"), "entropy": float("nan")}
    reporter.on_log(None, TrainerState(), TrainerControl(), logs=logs)
    wanted = {"step": 0, **LOGS, "loss": None, "grad_norm": None, "entropy": None}
    assert read_metrics(tmp_path / "metrics.jsonl") == [wanted]
    assert "nan" not in (tmp_path / "metrics.jsonl").read_text().lower()
    assert "entropy" not in text.getvalue()


def test_metrics_that_cannot_be_written_are_an_error_with_the_place(tmp_path):
    reporter = Reporter(tmp_path, 1, Console(quiet=True))  # a folder in its place
    with pytest.raises(ValueError, match=rf"{tmp_path}: cannot be written \(Is a directory\)"):
        trained(reporter, 1)


def test_metrics_of_updates_that_are_done_again_are_dropped(tmp_path):
    file = tmp_path / "metrics.jsonl"
    file.write_text("".join(json.dumps({"step": step}) + "\n" for step in (1, 2, 3)))
    forget_later_metrics(file, 2)
    assert [record["step"] for record in read_metrics(file)] == [1, 2]
    assert read_metrics(tmp_path / "none.jsonl") == []


def test_a_probe_measures_the_model_after_every_update(tmp_path):
    models = iter(["first", "second"])
    logs = dict(LOGS)
    file, console = tmp_path / "metrics.jsonl", Console(file=io.StringIO())
    reporter = Reporter(file, 2, console, lambda model: {"probed": len(model)})
    state = TrainerState(global_step=1)
    for _ in range(2):
        reporter.on_log(None, state, TrainerControl(), logs=logs, model=next(models))
    assert [record["probed"] for record in read_metrics(file)] == [5, 6]
    assert logs == LOGS
