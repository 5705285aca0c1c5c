"""Contract suites: subclass one, name the plug-in, and pytest runs what every plug-in must pass."""
