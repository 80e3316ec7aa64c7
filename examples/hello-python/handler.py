"""Says hello: the smallest function there is."""


def handle(request, context):
    name = request.query.get("name", "world")
    return f"Hello {name} from {context.revision}\n"
