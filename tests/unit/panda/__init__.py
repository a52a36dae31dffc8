"""Parts of the communicator of PanDA, and the whole of it against a served system that goes wrong."""
