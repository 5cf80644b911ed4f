"""Sweeps in the registry: their catalog, the queue of their trials, workers, logs."""
