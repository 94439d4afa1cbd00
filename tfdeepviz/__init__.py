"""Music visualisation driven by deep audio features.

Importing the package loads nothing heavy; TensorFlow comes with the modules that need it.
"""

__version__ = "0.1.0"
