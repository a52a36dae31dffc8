"""Contract suites: one per port, run over every plugin that claims it."""
