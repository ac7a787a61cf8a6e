"""Do the Python layers and the command do what they say, and refuse what they must?"""
