"""The first load of an empty target: rows stream from the source through mapping and contract into the target, all in one pass.

It does what the ordinary way does, for one case: nothing was ever agreed, one system has rows and the other none. Everything is tried
inside one transaction of the target, and the target is checked by digest or read back; whatever is out of the ordinary (a key twice, a
value the target refuses or changes, a system that cannot be filled this way) leaves the target as it was, and the ordinary way begins.
"""

from accord.sync.load.first import Loaded, load_first

__all__ = ["Loaded", "load_first"]
