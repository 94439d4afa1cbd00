"""The `tfdeepviz` commands, one module per family. Each imports heavy packages only when it runs."""
