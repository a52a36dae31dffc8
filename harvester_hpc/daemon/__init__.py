"""Rounds, threads, signals, health."""
