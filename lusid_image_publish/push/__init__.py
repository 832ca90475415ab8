"""Where an image goes: the registry that the upload instructions name."""
