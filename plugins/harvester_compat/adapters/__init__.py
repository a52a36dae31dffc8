"""One adapter for each kind of plugin: our port outside, a plugin of the published interface inside."""
