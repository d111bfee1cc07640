"""The walls between the rooms: who may import whom, who may draw random numbers, what `--help` loads."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "noisecli"
MODULES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in MODULES.items()}

LAYERS = [
    {"elementary", "errors", "imagefiles", "normal", "pixels", "splice", "streams"},
    {"celltext", "columns", "dates", "digits", "distance", "graphemes", "parameters", "text"},
    {"census", "summaries", "corruption", "mechanism", "partners", "quota", "vocabulary", "where"},
    {"corruptions"},
    {"recipe"},
    {"plan"},
    {"engine", "survey"},
    {"annotations", "executors", "facts", "formats", "listing", "manifest"},
    {"run"},
    {"advice", "compare", "preview", "starter"},
    {"report"},
    {"cli"},
    {"__main__"},
]
"""A room imports from earlier layers, and from its own layer where no circle comes of it."""

DEPTH = {room: depth for depth, rooms in enumerate(LAYERS) for room in sorted(rooms)}
MOST_LINES = 350

every_module = pytest.mark.parametrize("module", MODULES)


def room(module):
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def imports(module):
    """Full names of the modules that a module imports, wherever in it the import stands."""
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if full in MODULES else node.module


def imported_rooms(name):
    """The other rooms that the modules of a room import from."""
    own = [module for module in MODULES if room(module) == name]
    found = {room(other) for module in own for other in imports(module) if other.split(".")[0] == "noisecli"}
    return found - {name, ""}


def test_every_room_has_its_layer():
    assert {room(module) for module in MODULES} == set(DEPTH) | {""}


@pytest.mark.parametrize("name", sorted(DEPTH))
def test_rooms_import_only_what_comes_before_them(name):
    assert {other for other in imported_rooms(name) if DEPTH[other] > DEPTH[name]} == set()


def test_no_room_imports_in_a_circle():
    left = {name: imported_rooms(name) for name in DEPTH}
    while free := [name for name, needs in left.items() if not needs & set(left)]:
        for name in free:
            del left[name]
    assert left == {}


@every_module
def test_the_root_imports_no_room(module):
    if room(module) == "":
        doors = {"errors", "manifest", "run", "run.augment", "run.memory"} if module == "noisecli" else set()
        found = {name.removeprefix("noisecli.") for name in imports(module) if name.startswith("noisecli.")}
        assert found <= doors


@every_module
def test_only_the_command_line_speaks_to_terminals(module):
    if room(module) != "cli":
        assert not {name for name in imports(module) if name.split(".")[0] in ("typer", "rich", "click")}


@every_module
def test_only_streams_makes_random_numbers(module):
    """The type `Generator` may be named anywhere; the seed of a run that is given none comes from `secrets`."""
    if module == "noisecli.streams":
        return
    nodes = list(ast.walk(TREES[module]))
    from_numpy = [node for node in nodes if isinstance(node, ast.ImportFrom) and node.module.startswith("numpy.random")]
    assert {alias.name for node in from_numpy for alias in node.names} <= {"Generator"}
    assert "random" not in set(imports(module))
    assert not [node for node in nodes if isinstance(node, ast.Attribute) and ast.unparse(node) == "np.random"]
    assert not {"hash", "Generator"} & {ast.unparse(node.func) for node in nodes if isinstance(node, ast.Call)}


@every_module
def test_modules_are_short(module):
    assert len(MODULES[module].read_text(encoding="utf-8").splitlines()) <= MOST_LINES


@every_module
def test_everything_public_has_a_docstring(module):
    """Modules, classes, functions, and methods of public classes; not what implements a contract written elsewhere."""
    if module != "noisecli.__main__":
        assert ast.get_docstring(TREES[module]), "the module has none"
    assert [node.name for node in undocumented(TREES[module])] == []


def undocumented(tree):
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
            if not ast.get_docstring(node) and node.name not in CONTRACT:
                yield node
            if isinstance(node, ast.ClassDef):
                yield from undocumented(node)


CONTRACT = {
    node.name
    for tree in TREES.values()
    for owner in ast.walk(tree)
    if isinstance(owner, ast.ClassDef)
    for node in owner.body
    if isinstance(node, ast.FunctionDef) and ast.get_docstring(node)
} | {"submit"}
"""Methods that some class documents; `submit` is that of `concurrent.futures`."""


def test_nothing_is_left_to_functions_whose_last_bit_depends_on_the_cpu():
    """Not every CPU shows the difference, so the test of switched off features may miss it.

    Rooms that describe data and make none may use them: no byte of a copy depends on what they find.
    """
    rough = r"\bnp\.(exp2?|expm1|log\w*|sin\w*|cos\w*|tan\w*|arc\w+|power|float_power|hypot|cbrt)\("
    found = {name for name, path in MODULES.items() if re.search(rough, path.read_text(encoding="utf-8"))}
    assert {name for name in found if room(name) not in ("compare", "report")} == set()


@pytest.mark.parametrize("arguments", ["--help", "--version"])
def test_help_loads_nothing_heavy(arguments):
    script = """if True:
        import sys
        from noisecli.cli import main
        sys.argv[0] = "noisecli"
        try:
            main()
        except SystemExit as left:
            assert not left.code, left.code
        heavy = {"numpy", "pyarrow", "pandas", "pydantic", "PIL", "scipy"} & set(sys.modules)
        assert not heavy, heavy
    """
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments.split()], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "noisecli" in done.stdout
    assert done.stderr == ""


def test_a_run_loads_only_what_its_recipe_and_its_data_need(tmp_path):
    (tmp_path / "recipe.yaml").write_text("{noisecli: 1, seed: 1, steps: [{op: typo, columns: name}]}")
    script = """if True:
        import sys
        from noisecli.cli import main
        try:
            main()
        except SystemExit as left:
            assert not left.code, left.code
        ops = {name for name in sys.modules if name.startswith("noisecli.corruptions.")}
        assert "noisecli.corruptions.table.typo" in ops
        needless = {"noisecli.corruptions.image", "noisecli.corruptions.table.rows", "noisecli.advice"}
        needless |= {"noisecli.formats.parquet", "pyarrow.parquet", "pandas", "rich", "matplotlib", "scipy"}
        assert not needless & set(sys.modules), needless & set(sys.modules)
    """
    data = PACKAGE.parent / "sample_data/customers.csv"
    arguments = ["augment", data, "-r", tmp_path / "recipe.yaml", "-o", tmp_path / "noisy.csv", "-q"]
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere processes cannot be forked safely")
@pytest.mark.parametrize("threads", [0, 1])
def test_workers_import_nothing_again(tmp_path, threads):
    """They are forked off the command, where no thread can hold a lock: a server would import all of it for itself."""
    (tmp_path / "recipe.yaml").write_text("{noisecli: 1, seed: 1, steps: [{op: missing, columns: x, rate: 0.5}]}")
    (tmp_path / "data.csv").write_text("x\n" + "123456789\n" * 1_000_000)
    script = f"""if True:
        import threading
        from multiprocessing import forkserver
        from noisecli.cli import main
        forkserver.ensure_running = None
        for _ in range({threads}):
            threading.Thread(target=threading.Event().wait, daemon=True).start()
        main()
    """
    arguments = ["augment", "data.csv", "-r", "recipe.yaml", "-o", "noisy.csv", "-q", "--workers", "2"]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, "TypeError" in done.stderr) == (threads, threads == 1)


@every_module
def test_ops_are_where_recipes_look_for_them(module):
    """Their modules are found by the `class` lines that begin in the first column."""
    marked = [n for n in ast.walk(TREES[module]) if "register" in map(ast.unparse, getattr(n, "decorator_list", []))]
    assert all(isinstance(node, ast.ClassDef) and node in TREES[module].body for node in marked)
    called = [node for node in ast.walk(TREES[module]) if isinstance(node, ast.Call)]
    assert "register" not in {ast.unparse(node.func) for node in called}


# ------------------------------------------------------------------------------- what others wrote is data, never code

DOORS = {
    *("pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "yaml", "ctypes", "runpy", "code", "importlib"),
    *("subprocess", "pty", "multiprocessing", "concurrent", "asyncio"),
    *("socket", "socketserver", "ssl", "http", "urllib", "requests", "httpx", "ftplib", "smtplib", "webbrowser"),
}
"""Modules that run what they read, start programs or speak to the network."""

MAY_IMPORT = {
    ("noisecli.cli", "multiprocessing"): "lets noisecli's own processes be forked",
    ("noisecli.cli.signals", "multiprocessing"): "ends noisecli's own processes",
    ("noisecli.corruption", "importlib"): "noisecli's own modules, and plug-ins that the user has installed",
    ("noisecli.corruption", "importlib.metadata"): "which plug-ins there are",
    ("noisecli.corruptions.table.custom", "importlib"): "functions of the user's own, only under --allow-code",
    ("noisecli.executors", "concurrent.futures"): "pickles tasks between noisecli's own processes",
    ("noisecli.executors", "multiprocessing"): "starts such processes, and pickles tasks for them",
    ("noisecli.executors", "multiprocessing.connection"): "waits for them",
    ("noisecli.executors", "multiprocessing.process"): "what such a process is, as a type",
    ("noisecli.manifest", "importlib"): "versions of packages",
    ("noisecli.recipe.builtin", "importlib"): "the recipes that come with noisecli",
    ("noisecli.recipe.sweep", "urllib.parse"): "spells values as names of folders, and opens nothing",
    ("noisecli.report.page", "importlib.resources"): "the templates that come with noisecli",
    ("noisecli.report.page", "importlib.util"): "whether an optional package is installed",
    ("noisecli.run.commit", "concurrent.futures"): "threads",
    ("noisecli.run.work", "concurrent.futures"): "a thread",
    ("noisecli.run.outside", "importlib.util"): "the source of functions that --allow-code lets run",
}

CODE = r"eval|exec|compile|__import__|(os|posix)\.(system|popen|fork\w*|exec\w+|spawn\w+|posix_spawn\w*)"
LOADERS = r"(np|numpy)\.(load|fromregex)|\w+\.(read_pickle|to_pickle)|torch\.load|(pa\.|pyarrow\.)?fs\.\w+|.*\bfrom_uri"


@every_module
def test_no_module_can_run_what_it_reads_or_open_a_connection(module):
    found = {name for name in imports(module) if name.split(".")[0] in DOORS}
    assert {name for name in found if (module, name) not in MAY_IMPORT} == set()
    for call in [node for node in ast.walk(TREES[module]) if isinstance(node, ast.Call)]:
        function = ast.unparse(call.func)
        said = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
        assert not re.fullmatch(f"{CODE}|{LOADERS}", function), f"line {call.lineno}: {function}"
        assert said.get("shell", "False") == said.get("allow_pickle", "False") == "False", f"line {call.lineno}"
        if function == "YAML":
            assert said["typ"] in ("'safe'", "'rt'"), f"line {call.lineno}"


def test_every_exception_is_still_needed():
    assert {(module, name) for module, name in MAY_IMPORT if name not in set(imports(module))} == set()


def test_a_run_opens_no_connection_and_starts_no_program(tmp_path):
    script = """if True:
        import sys
        from noisecli import augment, replay, verify
        def refuse(event, arguments):
            if event in ("pickle.find_class", "socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.system"):
                raise RuntimeError(event)
        sys.addaudithook(refuse)
        for source, step in ((sys.argv[1] + "/customers.csv", {"op": "typo", "columns": "text"}),
                             (sys.argv[1] + "/customers.parquet", {"op": "gaussian_noise", "columns": "numeric"}),
                             (sys.argv[1] + "/images/train", {"op": "brightness"})):
            out = sys.argv[2] + "/" + step["op"]
            augment(source, {"noisecli": 1, "seed": 1, "steps": [step]}, out + "/")
            out += "" if source.endswith("train") else "/" + source.rpartition("/")[2]
            assert verify(out, source)[1] == []
            assert replay(out, source, sys.argv[2] + "/again-" + out.rpartition("/")[2])[1:] == ([], [])
    """
    sample = PACKAGE.parent / "sample_data"
    done = subprocess.run([sys.executable, "-c", script, sample, tmp_path], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
