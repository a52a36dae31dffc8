"""One file an agent; base.py is select, act, commit."""
