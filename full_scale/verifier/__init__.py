"""Whether an answer is right: parsing, rewards, the checker, official scoring, verdicts."""
