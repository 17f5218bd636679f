"""Does a request fail while a new version of a model comes and goes?"""
