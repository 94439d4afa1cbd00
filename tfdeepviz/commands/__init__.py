"""The `tfdeepviz` commands: `commands.toml` declares them, and one module per family runs them.

A command opens its inputs before it imports what takes long: a mistake is answered at once.
"""
