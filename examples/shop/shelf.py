"""What both functions know: how many of each thing there are. Lives as long as the instance."""
import threading

_lock = threading.Lock()
_stock = {"tea": 3, "bread": 5}


def take(item):
    """Takes one; False if there is none."""
    with _lock:
        if _stock.get(item, 0) == 0:
            return False
        _stock[item] -= 1
        return True


def contents():
    with _lock:
        return dict(_stock)
