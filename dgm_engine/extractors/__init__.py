"""What images are described by beside their pixels: one module for each extractor, and `registry`, which names them."""
