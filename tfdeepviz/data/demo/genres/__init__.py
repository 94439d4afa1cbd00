"""Two files per genre: the TOML file holds its material and sound, the module writes the notes of a track."""
