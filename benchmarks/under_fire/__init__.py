"""Does the server stay up, whatever clients send?"""
