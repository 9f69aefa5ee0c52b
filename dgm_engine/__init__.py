"""The engine of DGM Studio: semi-unsupervised learning with deep generative models."""
