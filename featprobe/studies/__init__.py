"""Published studies: what they did, and their numbers beside ours."""
