"""Runs plugins that were written for PanDA Harvester, as they are; the only place that knows its API."""
