"""What the user may set: read, checked and reported as a whole, frozen afterwards."""
