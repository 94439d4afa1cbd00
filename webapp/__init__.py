"""The playground: a Flask server that only serves files, and a front end that does all the work."""
