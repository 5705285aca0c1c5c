"""From a data set and a backbone to a complete feature store."""
