"""Piles of images: where they come from and the decoded pool."""
