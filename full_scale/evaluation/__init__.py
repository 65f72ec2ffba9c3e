"""How good a checkpoint is: benchmarks, answering, intervals, summaries, comparisons."""
