"""Values and lifecycles of the trade: job, worker, file, command, queue, facility."""
