"""The letters between login node and worker: files on a shared file system. Standard library only."""
