"""Surveys: what the live batch system says of its queues, nodes and accounts."""
