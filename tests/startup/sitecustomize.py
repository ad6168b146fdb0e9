"""Read by every process the tests start: it finds no pandas, as a plain installation of Accord holds none.

The tools of development bring it, and pyarrow loads it wherever it finds it, which takes a third of a second a process. What asks for
splink gets both.
"""

import sys


class _Plain:
    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> None:
        if name == "pandas" and "splink" not in sys.modules:
            raise ModuleNotFoundError("No module named 'pandas'", name="pandas")


sys.meta_path.insert(0, _Plain)  # type: ignore[arg-type]
