"""The benchmark of the verifier: its outputs are distinct and have both verdicts, and it prints its table."""

from benchmarks.verifier import main, outputs, tagged, untagged


def test_outputs_are_distinct_and_right_and_wrong_ones_are_among_them():
    made = outputs(400)
    assert len({response for _, response, _ in made}) == 400
    for judge in (lambda *one: tagged(*one).accuracy, untagged):
        share = sum(map(float, (judge(*one) for one in made))) / 400
        assert 0.1 < share < 0.6


def test_the_table(capsys):
    main(["--count", "20"])
    assert "| training reward |" in capsys.readouterr().out
