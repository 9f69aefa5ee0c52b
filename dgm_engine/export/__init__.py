"""The classifier as a folder that runs anywhere."""
