"""Staging by a program of the site: gfal-copy, xrdcp, rsync or another one, by an argv template."""
