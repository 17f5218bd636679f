"""How much of the engine's speed is left when a folder of pictures is classified?"""
