"""Features to and from other files: npy, parquet, safetensors, and the other container."""
