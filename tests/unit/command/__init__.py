"""Tests of staging by a program of the site."""
