"""Fakes and contract suites, shipped for plugin authors."""
