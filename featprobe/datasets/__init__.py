"""What has labels: data sets read from folders, manifests, npz files, or made on the spot."""
