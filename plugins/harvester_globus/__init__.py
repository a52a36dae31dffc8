"""Staging over Globus: batches of files between collections, moved by the Transfer service."""
