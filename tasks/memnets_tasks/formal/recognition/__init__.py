"""Recognition of formal languages: is a string in the language or not?"""
