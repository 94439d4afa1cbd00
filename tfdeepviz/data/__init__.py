"""From audio files to prepared MFCC segments."""
