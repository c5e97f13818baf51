"""What do the parsers that read strangers make of octets that nobody would write?

``python -m tests.fuzz TARGET`` runs one of ``targets`` for long; the test beside it, for a bounded
number of inputs. What once broke a parser stays in ``corpus``.
"""
