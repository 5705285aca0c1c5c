"""Decoders from patch tokens to classes of pixels, a module each."""
