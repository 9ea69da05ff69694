"""What models are told stands in versioned files: no code of ours writes a prompt, and every file is rendered by a test."""

import ast
import re
from collections.abc import Iterator

from source_tree import ROOT, shown, source_modules

FILES = ROOT / "core" / "madang" / "core" / "generation" / "prompt_files"
SPOKEN = {"PromptMessage": (1, "text"), "PictureRequest": (0, "prompt")}
"""What carries words to a model: the place and the name of the words."""
INSTRUCTION = re.compile(r"\s*(?:You are (?:an?|the)|Act as|(?:Answer|Respond) (?:with|in|only))\b")


def written(node: ast.expr, known: dict[str, ast.expr], depth: int = 0) -> bool:
    """Whether words are written here: a text, one put together, or a name for one."""
    match node:
        case ast.Constant(value=str(text)):
            return bool(text.strip())
        case ast.JoinedStr() | ast.BinOp():
            return True
        case ast.Call(func=ast.Attribute(value=inner, attr="format" | "join" | "strip")):
            return written(inner, known, depth)
        case ast.IfExp(body=one, orelse=other):
            return written(one, known, depth) or written(other, known, depth)
        case ast.Name(id=name) if depth < 5 and name in known:
            return written(known[name], known, depth + 1)
        case _:
            return False


def prompts_in_code(source: str) -> Iterator[str]:
    tree = ast.parse(source)
    known = {
        target.id: node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in SPOKEN:
            place, name = SPOKEN[node.func.id]
            words = [keyword.value for keyword in node.keywords if keyword.arg == name] or node.args[place : place + 1]
            if words and written(words[0], known):
                yield f"line {node.lineno}: words in a {node.func.id}"
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and INSTRUCTION.match(node.value):
            yield f"line {node.lineno}: {node.value[:40]!r}"


def test_no_words_to_a_model_stand_in_the_code() -> None:
    in_core = [path for path in source_modules() if path.is_relative_to(ROOT / "core")]
    found = [f"{shown(path)} {what}" for path in in_core for what in prompts_in_code(path.read_text(encoding="utf-8"))]
    assert found == [], "put them into core/madang/core/generation/prompt_files, and load() them"


def test_words_to_a_model_are_found_however_they_are_written() -> None:
    for source in (
        'PromptMessage(Role.USER, "Describe it.")',
        'PromptMessage(Role.USER, f"Describe {it}.")',
        'PromptMessage(role=Role.USER, text="Describe {}.".format(it))',
        'PromptMessage(Role.USER, opening + "Describe it.")',
        'WISH: Final = "Describe it."\nPromptMessage(Role.USER, WISH)',
        'wish = "Describe it."\nother = wish\nPictureRequest(other, key, 1)',
        'PictureRequest(prompt="a face" if small else load("face").render())',
        'TEXT = "You are a helpful assistant."',
    ):
        assert list(prompts_in_code(source)), source


def test_what_comes_from_a_prompt_or_a_person_is_not_taken_for_such_words() -> None:
    for source in (
        'PromptMessage(Role.USER, load("face").render(answer=fenced(text)))',
        'prompt = load("face").render_parts(x=1)\nPromptMessage(Role.USER, prompt["user"], pictures)',
        'PictureRequest(prompt="", idempotency_key=key, seed=0)',
        "PromptMessage(Role.ASSISTANT, answer)",
    ):
        assert not list(prompts_in_code(source)), source


def test_every_prompt_file_is_rendered_by_a_test_and_is_named_and_numbered_like_one() -> None:
    tests = (ROOT / "tests" / "unit" / "prompts" / "test_prompts.py").read_text(encoding="utf-8")
    named = re.compile(r"(?P<name>[a-z_]+)\.v(?P<version>[1-9][0-9]*)\.txt")
    for file in sorted(FILES.iterdir()):
        found = named.fullmatch(file.name)
        assert found, f"{file.name} is no name.v1.txt"
        assert f'load("{found["name"]}", {found["version"]})' in tests, f"no test renders {file.name}"
