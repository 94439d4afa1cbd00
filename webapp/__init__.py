"""The playground: a Flask server that serves files and nothing else, and the front end that does everything."""
