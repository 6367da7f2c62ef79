"""What the exporter costs, beside the ways people would use instead: ``make bench``.

Every claim is a ratio of two things measured in turns in one run. A number alone says something about the
machine it was taken on, and about its neighbours.
"""
