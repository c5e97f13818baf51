"""Which mail is next, for which destination, and how fast?"""
