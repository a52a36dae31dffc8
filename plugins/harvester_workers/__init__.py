"""Worker makers."""
