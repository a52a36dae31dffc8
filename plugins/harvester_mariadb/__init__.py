"""Queues in a MariaDB or MySQL database."""
