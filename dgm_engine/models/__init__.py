"""The deep generative models; each file states one factorisation."""
