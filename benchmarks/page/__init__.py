"""How soon does the web page answer, in a real browser?"""
