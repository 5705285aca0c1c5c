"""Speed as ratios, each measured side by side in one run. ``bin/bench`` prints them."""
