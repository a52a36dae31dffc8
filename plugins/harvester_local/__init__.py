"""The embedded workload management system, and staging over plain directories."""
