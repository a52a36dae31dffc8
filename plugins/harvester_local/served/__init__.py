"""The embedded workload management system, served over HTTP as a PanDA server is, with its quirks, and faults on demand."""
