"""Clusters, suggestions, projections and accuracies: arrays in, arrays out."""
