"""Does the server answer rightly for an hour in which everything happens to it?"""
