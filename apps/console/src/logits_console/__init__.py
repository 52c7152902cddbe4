"""Console: the web page from which a customer runs models."""
