"""The method on arrays, a stage a module; what is computed offline is kept."""
