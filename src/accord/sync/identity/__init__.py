"""Identity: systems with keys of their own, tied to one canonical id by links, match rules, and decisions of people.

``resolve`` is called by a cycle after it has read the systems, ``own_key`` while it plans, ``links`` before it writes; ``decide`` and
``look`` are what people do between the runs.
"""
