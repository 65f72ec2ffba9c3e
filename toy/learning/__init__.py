"""Learning: policies, what they are trained with, and the training of a population of them."""
