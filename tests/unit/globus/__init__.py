"""Parts of the plugin for Globus that need no service."""
