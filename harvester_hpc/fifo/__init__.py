"""Priority queues beside the store."""
