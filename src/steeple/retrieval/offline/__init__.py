"""What is computed once for an index, before any query: its graph, and diffusion over it."""
