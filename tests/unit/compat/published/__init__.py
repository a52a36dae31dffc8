"""Plugins of our own writing, in the style of those that were written for PanDA Harvester."""
