"""The book's own machinery: does the paper hold, and how are the pages made?"""
