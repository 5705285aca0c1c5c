"""Feature stores on disk: format, reading, writing, listing."""
