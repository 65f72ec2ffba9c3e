"""From rollouts to a weight update."""
