"""The commands: the only part of the package that prints, and that exits."""
