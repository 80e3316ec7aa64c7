#!/usr/bin/env python3
"""Our own rules, as a test. Each rule is a function over the checkout that yields complaints.

Run from anywhere: tests/tidy/tidy.py [--self-test]. The self-test plants one violation per rule in a
scratch tree and demands that exactly that rule finds it, so that no rule can fall asleep.
"""
import re
import subprocess
import sys
import tempfile
from pathlib import Path

TESTS = ("_test.cc", "_test.h")
FILE_LINES_MAX = 800
FOLDER_FILES_MAX = 25
README_LINES_MAX = 40
COLUMNS_MAX = 100
SYSTEM_ROOMS = {"host_linux", "launcher"}
TOP_FOLDERS = {".ci", "bench", "cmake", "deploy", "docs", "examples", "runtimes", "scripts", "src", "tests"}
MADE_SUFFIXES = {".whl", ".gz", ".tar", ".zip", ".zst", ".o", ".a", ".so", ".pyc", ".jar", ".deb", ".log"}
FORBIDDEN_FOLDERS = {"common", "utils", "util", "misc", "core", "helpers"}
# Rooms whose iteration order must not depend on a hash, because decisions are replayed from a seed.
ORDERED_ROOMS = {"control", "workflow", "store", "agent", "mesh"}

BANNED_WORDS = [
    (r"\bsystem_clock::now\b", "take host::Clock"),
    (r"\bsteady_clock::now\b", "take async::Loop::now() or host::Clock"),
    (r"\bhigh_resolution_clock\b", "take async::Loop::now()"),
    (r"\bstd::random_device\b", "take host::Random"),
    (r"(?<![\w:])s?rand\(", "take host::Random"),
    (r"\bsleep_for\b(?!\()|\bthis_thread::sleep", "await async::sleep_for"),
    (r"\bstd::j?thread\b", "take host::Offload"),
    (r"\bstd::async\b", "use async::Scope"),
    (r"\bgetenv\(", "read the environment in app and pass it down"),
    (r"\.detach\(\)", "give the work an owner: async::Scope"),
    (r"\busing namespace std;", "name what you use"),
]
SYSTEM_HEADER = re.compile(
    r'#include <(sys/|linux/|netinet/|arpa/|net/|unistd\.h|fcntl\.h|signal\.h|pthread\.h|poll\.h|sched\.h'
    r'|spawn\.h|dirent\.h|netdb\.h|grp\.h|pwd\.h|syscall\.h|time\.h|ctime>|thread>|random>|mutex>|condition_variable>)')
# async::VirtualLoop draws schedules from a seed it is given: the engine is the point there.
# telemetry's registry is read by one thread while others add to it: no loop can serve both.
SYSTEM_HEADER_EXCEPTIONS = {("async/virtual_loop.h", "random"), ("telemetry/metrics.h", "mutex")}


def modules(root):
    """{module: set of modules it declares} from src/CMakeLists.txt, in order."""
    text = (root / "src/CMakeLists.txt").read_text()
    text = re.sub(r"#.*", "", text)
    found = {}
    for call in re.finditer(r"\bmodule\(([^)]*)\)", text):
        words = call.group(1).split()
        uses, section = set(), None
        for word in words[1:]:
            if word in ("PUBLIC", "PRIVATE", "EXTERNAL", "PUBLIC_EXTERNAL", "EXCLUDE"):
                section = word
            elif section in ("PUBLIC", "PRIVATE"):
                uses.add(word)
        found[words[0]] = uses
    for call in re.finditer(r"\bmodule_test_uses\(([^)]*)\)", text):
        words = call.group(1).split()
        found.setdefault(words[0] + "_test", set()).update(words[1:])
    return found


def public_closure(root):
    """What a module may include: what it names, and the PUBLIC closure of that."""
    text = re.sub(r"#.*", "", (root / "src/CMakeLists.txt").read_text())
    public = {}
    for call in re.finditer(r"\bmodule\(([^)]*)\)", text):
        words, section = call.group(1).split(), None
        public[words[0]] = set()
        for word in words[1:]:
            if word in ("PUBLIC", "PRIVATE", "EXTERNAL", "PUBLIC_EXTERNAL", "EXCLUDE"):
                section = word
            elif section == "PUBLIC":
                public[words[0]].add(word)
    closed = {}
    for name in public:  # declared in order, so dependencies are closed already
        closed[name] = set(public[name])
        for dep in public[name]:
            closed[name] |= closed.get(dep, set())
    return closed


def sources(root, *suffixes):
    for path in sorted((root / "src").rglob("*")):
        if path.is_file() and path.suffix in suffixes:
            yield path


def code_lines(path):
    """(number, line without comments and string contents)."""
    in_block = False
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if in_block:
            if "*/" not in line:
                continue
            line = line.split("*/", 1)[1]
            in_block = False
        if not line.lstrip().startswith("#include"):
            line = re.sub(r'"(\\.|[^"\\])*"', '""', line)
        line = line.split("//", 1)[0]
        if "/*" in line:
            line, in_block = line.split("/*", 1)[0], True
        yield number, line


def rule_includes(root):
    declared, closure = modules(root), public_closure(root)
    for path in sources(root, ".cc", ".h"):
        room = path.relative_to(root / "src").parts[0]
        if room not in declared:
            yield f"{path}: folder {room} is no module of src/CMakeLists.txt"
            continue
        allowed = {room} | declared[room]
        for dep in declared[room]:
            allowed |= closure.get(dep, set())
        if path.name.endswith(TESTS):
            allowed |= declared.get(room + "_test", set())
            for dep in declared.get(room + "_test", set()):
                allowed |= closure.get(dep, set())
        for number, line in code_lines(path):
            match = re.match(r'\s*#include "([^"/]+)/', line)
            if match and match.group(1) in declared and match.group(1) not in allowed:
                yield f"{path}:{number}: {room} includes {match.group(1)}, which it does not declare"


def rule_system_headers(root):
    for path in sources(root, ".cc", ".h"):
        relative = path.relative_to(root / "src")
        if relative.parts[0] in SYSTEM_ROOMS or path.name.endswith(TESTS):
            continue
        for number, line in code_lines(path):
            match = SYSTEM_HEADER.match(line.strip())
            if match and (str(relative), match.group(1).rstrip(">")) not in SYSTEM_HEADER_EXCEPTIONS:
                yield f"{path}:{number}: system header outside host_linux and launcher: {line.strip()}"


def rule_banned_words(root):
    for path in sources(root, ".cc", ".h"):
        room = path.relative_to(root / "src").parts[0]
        if room in SYSTEM_ROOMS:
            continue
        for number, line in code_lines(path):
            for pattern, instead in BANNED_WORDS:
                if room == "app" and "getenv" in pattern:
                    continue  # the one room that reads the environment
                if re.search(pattern, line):
                    if path.name.endswith(TESTS) and "random" in pattern:
                        continue
                    yield f"{path}:{number}: {re.search(pattern, line).group(0)}: {instead}"


def rule_unordered(root):
    for path in sources(root, ".cc", ".h"):
        if path.relative_to(root / "src").parts[0] not in ORDERED_ROOMS:
            continue
        for number, line in code_lines(path):
            if re.search(r"for \(.*: .*unordered", line):
                yield f"{path}:{number}: iteration over an unordered container in a room that is replayed"


def rule_sizes(root):
    for path in list(sources(root, ".cc", ".h")) + sorted((root / "tests").rglob("*.cc")):
        lines = path.read_text().splitlines()
        if len(lines) > FILE_LINES_MAX:
            yield f"{path}: {len(lines)} lines, more than {FILE_LINES_MAX}: split it by duty"
        for number, line in enumerate(lines, 1):
            # A literal that cannot be broken may stand out; clang-format breaks what it can.
            if len(line) > COLUMNS_MAX and '"' not in line and "http" not in line:
                yield f"{path}:{number}: {len(line)} columns"
            if re.search(r"[\x00-\x08\x0b-\x1f\x7f]", line):
                yield f"{path}:{number}: control character"
    for folder in [p for p in (root / "src").rglob("*") if p.is_dir()]:
        files = [p for p in folder.iterdir() if p.suffix in (".cc", ".h") and not p.name.endswith(TESTS)]
        if len(files) > FOLDER_FILES_MAX:
            yield f"{folder}: {len(files)} files, more than {FOLDER_FILES_MAX}: split it by duty"


def rule_rooms(root):
    for path in (root / "src").rglob("*"):
        if path.is_dir() and path.name in FORBIDDEN_FOLDERS:
            yield f"{path}: a folder's name says its duty"
    for room in modules(root):
        if room.endswith("_test"):
            continue
        readme = root / "src" / room / "README.md"
        if not readme.exists():
            yield f"src/{room}: no README.md"
        elif not readme.read_text().startswith(f"# {room}\n"):
            yield f"{readme}: the first line is \"# {room}\""
        elif len(readme.read_text().splitlines()) > README_LINES_MAX:
            yield f"{readme}: more than {README_LINES_MAX} lines"


def rule_headers(root):
    for path in sources(root, ".h"):
        if "#pragma once" not in path.read_text():
            yield f"{path}: no #pragma once"
    for path in sources(root, ".cc"):
        own = path.with_suffix(".h")
        if not own.exists():
            continue
        wanted = f'#include "{own.relative_to(root / "src")}"'
        first = next((l for _, l in code_lines(path) if l.strip().startswith("#include")), "")
        if first.strip() != wanted:
            yield f"{path}: the first include must be its own header, {wanted}"


def rule_unfinished(root):
    for path in sources(root, ".cc", ".h"):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if re.search(r"\b(TODO|FIXME|XXX|HACK)\b(?!\((perf|security)\))", line):
                yield f"{path}:{number}: unfinished work belongs under \"Not yet\" in the README"


def rule_error_pages(root):
    """Every stable code that the sources name has a page, and every page a code."""
    pages = {p.stem for p in (root / "docs/errors").glob("TM-*.md")} if (root / "docs/errors").exists() else set()
    named = {}
    for path in sources(root, ".cc", ".h"):
        if path.name.endswith(TESTS):
            continue
        for code in re.findall(r"\bTM-\d{3}\b", path.read_text()):
            named.setdefault(code, path)
    for code in sorted(set(named) - pages):
        yield f"{named[code]}: {code} has no page docs/errors/{code}.md"
    for code in sorted(pages - set(named)):
        yield f"docs/errors/{code}.md: no source names {code}"


def rule_made(root):
    """What a build, a package client or a test made is no source. Looks at what git tracks, or at every
    file where there is no git."""
    listed = subprocess.run(["git", "-C", str(root), "ls-files", "-z"], capture_output=True, text=True)
    if listed.returncode == 0 and (root / ".git").exists():
        names = [n for n in listed.stdout.split("\0") if n]
    else:
        names = [str(p.relative_to(root)) for p in root.rglob("*") if p.is_file()]
    for name in names:
        if Path(name).suffix in MADE_SUFFIXES:
            yield f"{name}: made, not written: keep it out of the tree"
        elif "/" in name and name.split("/")[0] not in TOP_FOLDERS:
            yield f"{name}: no folder {name.split('/')[0]} belongs at the top"


RULES = [rule_includes, rule_system_headers, rule_banned_words, rule_unordered, rule_sizes, rule_rooms,
         rule_headers, rule_unfinished, rule_error_pages, rule_made]

PLANTS = {
    "rule_includes": ("src/a/x.cc", '#include "b/y.h"\n'),
    "rule_system_headers": ("src/a/x.cc", "#include <sys/epoll.h>\n"),
    "rule_banned_words": ("src/a/x.cc", "auto t = std::chrono::steady_clock::now();\n"),
    "rule_unordered": ("src/store/x.cc", "for (auto& x : unordered_things) {}\n"),
    "rule_sizes": ("src/a/x.cc", "\n" * 900),
    "rule_rooms": ("src/a/utils/x.cc", "\n"),
    "rule_headers": ("src/a/z.h", "int f();\n"),
    "rule_unfinished": ("src/a/x.cc", "// TODO: later\n"),
    "rule_made": ("scratch-1/x.txt", "x"),
    "rule_error_pages": ("src/a/x.cc", 'auto c = "TM-999";\n'),
}


def self_test():
    failures = 0
    for rule in RULES:
        with tempfile.TemporaryDirectory() as scratch:
            root = Path(scratch)
            (root / "tests").mkdir()
            for room in ("a", "b", "store"):
                (root / "src" / room).mkdir(parents=True)
                (root / "src" / room / "README.md").write_text(f"# {room}\n")
            (root / "src/CMakeLists.txt").write_text("module(b)\nmodule(a)\nmodule(store)\n")
            clean = list(rule(root))
            path, text = PLANTS[rule.__name__]
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
            found = [r.__name__ for r in RULES if list(r(root))]
            if clean or found != [rule.__name__]:
                print(f"self-test: {rule.__name__}: clean tree gave {clean}, plant found by {found}")
                failures += 1
    return failures


def main():
    root = Path(__file__).resolve().parents[2]
    if self_test():
        return 1
    complaints = [f"{rule.__name__}: {text}" for rule in RULES for text in rule(root)]
    for complaint in complaints:
        print(complaint.replace(str(root) + "/", ""))
    print(f"tidy: {len(RULES)} rules, {len(complaints)} complaints")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
