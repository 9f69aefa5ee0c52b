"""What people said about the images: an append-only store and its current state."""
