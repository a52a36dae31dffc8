"""Globus on loopback: an emulator of the part of the Transfer and Auth services that staging uses. It moves real files.

It proves our logic against the real SDK: lost answers, refusals, tasks that fail in part. It does not prove Globus: what the
real service does in a case that is not written down here, it may do otherwise.
"""
