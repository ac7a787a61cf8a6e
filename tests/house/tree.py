"""What the house tests look at: the files of the repository, C functions, Python imports."""

import ast
import re
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CORE = ROOT / "numa_core"
PYTHON = ROOT / "python" / "numab"
NOT_OURS = {"build", "dist", "__pycache__", "node_modules", "venv"}


def all_files():
    """Every file that git keeps or would keep; without git (an sdist), every file but products."""
    listed = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard"],
                            capture_output=True, text=True) if shutil.which("git") else None
    if listed and listed.returncode == 0 and listed.stdout:
        paths = [ROOT / line for line in listed.stdout.splitlines()]
    else:
        paths = [path for path in ROOT.rglob("*") if not any(
            part in NOT_OURS or part.endswith(".egg-info") or (part[0] == "." and part != ".ci")
            for part in path.relative_to(ROOT).parts)]
    return sorted(path for path in paths if path.is_file() and path.suffix not in (".so", ".o"))


def files(*suffixes, under=ROOT):
    """Those below @under with one of these suffixes."""
    return [path for path in all_files() if path.suffix in suffixes and under in path.parents]


def name(path):
    return path.relative_to(ROOT).as_posix()


def read(path):
    return path.read_text(encoding="utf-8")


def parts():
    """{name: path} of the core's parts, without the unit that includes them all."""
    return {path.stem: path for path in sorted(CORE.glob("*.c")) if path.stem != "_core"}


def without_comments(text):
    """C text with comments and the contents of strings blanked, lines kept."""
    def blank(match):
        found = match.group(0)
        if found[0] == '"':
            return '""'
        return "\n" * found.count("\n")
    return re.sub(r'"(?:\\.|[^"\\\n])*"|/\*.*?\*/|//[^\n]*', blank, text, flags=re.S)


def c_functions(path):
    """(name, lines) of every function: kernel style, its braces alone in the first column."""
    lines = read(path).splitlines()
    found, start = [], None
    for number, line in enumerate(lines):
        if line == "{":
            start = number
            while start and lines[start - 1] and lines[start - 1][0] not in "}#/ *":
                start -= 1
        elif line == "}" and start is not None:
            called = re.search(r"(\w+)\(", " ".join(lines[start:start + 3]))
            found.append((called.group(1) if called else lines[start], number - start + 1))
            start = None
    return found


def python_functions(path):
    """(name, lines) of every function and method."""
    return [(node.name, node.end_lineno - node.lineno + 1)
            for node in ast.walk(ast.parse(read(path)))
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]


def imports(path, package):
    """Absolute names of the modules that a file of @package imports, for typing alone or not."""
    tree = ast.parse(read(path))
    typing_only = {node for branch in ast.walk(tree) if isinstance(branch, ast.If) and
                   "TYPE_CHECKING" in ast.dump(branch.test) for node in ast.walk(branch)}
    out = set()
    for node in ast.walk(tree):
        if node in typing_only:
            continue
        if isinstance(node, ast.Import):
            out |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            up = package.split(".")[:len(package.split(".")) - node.level + 1]
            base = ".".join([*(up if node.level else []), *([node.module] if node.module else [])])
            out |= {base} | {f"{base}.{alias.name}" for alias in node.names}
    return out


def package_of(path):
    """The package that relative imports of a file below python/ start from."""
    return ".".join(path.relative_to(PYTHON.parent).parent.parts)
