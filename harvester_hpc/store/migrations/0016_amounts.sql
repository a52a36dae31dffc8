-- Jobs and workers that go on, counted with their cores and memory without a look at the rows themselves.
CREATE INDEX job_amount ON job (queue, state, resource_type, cores)
    WHERE state IN ('fetched', 'preparing', 'prepared', 'submitted', 'running', 'to_transfer', 'transferring');
CREATE INDEX worker_amount ON worker (queue, state, job_type, resource_type, cores, nodes, ram_mb)
    WHERE state IN ('planned', 'submitted', 'running');
