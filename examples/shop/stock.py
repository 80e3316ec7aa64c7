"""GET /stock is what is left as JSON, GET /stock/report the same for people, line by line."""
import shelf


def handle(request, context):
    return shelf.contents()


def report(request, context):
    for item, count in sorted(shelf.contents().items()):
        yield f"{item:10} {count}\n"
