"""What is shipped for tests, tested itself."""
