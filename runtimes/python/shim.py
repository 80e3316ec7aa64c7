"""Entry point: python3 -I -S RUNTIME/shim.py, in the directory of the function bundle.

The interpreter compiles the script it is given on every start, so this file only leads to the package
beside it, whose compiled form is kept.
"""
import sys

sys.path.append(__file__.rpartition("/")[0] or ".")

from tidemill._main import main  # noqa: E402  (the path above comes first)

main()
