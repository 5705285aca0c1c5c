"""What every room stands on: errors, registry, digests, paths, progress, threads, devices."""
