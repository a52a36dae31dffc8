"""What the core asks of the outside: one Protocol a plugin kind (Plugin API specifications, seed of this project)."""
