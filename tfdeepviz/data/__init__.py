"""Audio files to prepared MFCC segments."""
