"""Thin adapters for other trainers: nothing in ``calibrl_ref`` knows them, and each imports its trainer only if used.

``verl`` registers policy losses (entry point group ``verl.plugins``), ``verl_experts`` brings experts into its groups,
``tinker`` makes a loss for ``TrainingClient.forward_backward_custom``.
"""
