"""The `tfdeepviz` commands, one module per family.

A command checks its arguments and opens its inputs before it imports what takes long: a mistake is answered at once.
"""
