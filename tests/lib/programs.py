"""Which programs of the machine the tests and the scripts call: read out of their sources."""
import ast
import glob
import os
import re

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
NAME = re.compile(r"[a-z][a-z0-9_.+-]*\Z")
# Before a command, and not one itself.
LEADS = {"if", "then", "else", "elif", "do", "while", "until", "!", "{", "}", "time", "exec", "env", "nohup", "setsid", "command", "step", "-c", "xargs"}
# Names of the shell itself, and of what the tests bring along.
OWN = {"opta", "optad", "true", "false", "echo", "printf", "cd", "exit", "set", "export", "read", "wait", "trap", "test", "kill", "ulimit", "umask", "shift", "local",
       "for", "in", "done", "fi", "case", "esac", "return", "break", "continue", "eval", "source", "unset", "type", "alias", "jobs", "fg", "bg", "exec", "function",
       "history", "complete", "compgen", "autoload", "emulate", "string", "end", "begin", "and", "or", "not", "let", "declare", "hash"}
# A call with one of these names is given a command line, or a list that begins with a program.
SHELLS = {"sh", "out", "popen", "follow", "system", "getoutput", "check_sh"}
RUNS = {"run", "Popen", "check_output", "check_call", "call", "which", "execv", "execvp", "spawn"}


def shell_programs(text):
    """The programs at the places of a command in a shell's text."""
    text = re.sub(r"'[^']*'", "''", re.sub(r"(?m)(^|\s)#.*$", "", re.sub(r"(?s)<<-?\s*'?(\w+)'?\n.*?\n\s*\1\n", "\n", text)))
    defined = set(re.findall(r"(?m)^\s*([a-z_]\w*)\(\)", text))
    found = set()
    for piece in re.split(r"[;|&\n`]|\$\(|\(|\)", text.replace("\\\n", " ").replace("2>&1", "").replace(">&2", "")):
        words = piece.split()
        while words and (words[0] in LEADS or re.match(r"\w+=", words[0]) or re.match(r"\d?[<>]", words[0])):
            words.pop(0)
        if words and NAME.match(words[0]) and words[0] not in OWN | defined:
            found.add(words[0])
    return found


def texts(node):
    """The constant text of a string or of the constant parts of an f-string; else None."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(v.value if isinstance(v, ast.Constant) else "X" for v in node.values)
    return None


def python_programs(source):
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.List, ast.Tuple)) and len(node.elts) > 1 and isinstance(node, ast.List):
            first = texts(node.elts[0])
            if first and NAME.match(first):
                found.add((first, "list"))
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            for arg in node.args[:1]:
                text = texts(arg)
                if isinstance(arg, ast.List) and arg.elts and texts(arg.elts[0]) and name in RUNS:
                    found.add((texts(arg.elts[0]), "called"))
                elif text and name == "which":
                    found.add((text, "called"))
                elif text and name in SHELLS:
                    found |= {(one, "shell") for one in shell_programs(text)}
            for word in node.keywords:
                if word.arg == "command" and texts(word.value):
                    found |= {(one, "shell") for one in shell_programs(texts(word.value))}
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values):
                if key is not None and texts(key) == "command" and texts(value):
                    found |= {(one, "shell") for one in shell_programs(texts(value))}
    return found


def called():
    """{program: the files that call it}, with how sure that is: {(program, kind): {file}}."""
    found = {}
    for pattern in ("tests/**/*.py", "bench/**/*.py", "scripts/*"):
        for path in glob.glob(os.path.join(ROOT, pattern), recursive=True):
            if not os.path.isfile(path) or "tests/data/" in path or not (path.endswith(".py") or b"python" in open(path, "rb").readline()):
                continue
            with open(path, encoding="utf-8") as file:
                for one in python_programs(file.read()):
                    found.setdefault(one, set()).add(os.path.relpath(path, ROOT))
    for path in [os.path.join(ROOT, "dev"), *glob.glob(os.path.join(ROOT, "scripts", "*"))]:
        with open(path, encoding="utf-8") as file:
            source = file.read()
        if source.startswith("#!/bin/sh"):
            for one in shell_programs(source):
                found.setdefault((one, "shell"), set()).add(os.path.relpath(path, ROOT))
    for path in glob.glob(os.path.join(ROOT, "tests", "unit", "**", "*.c"), recursive=True):
        with open(path, encoding="utf-8") as file:
            for text in re.findall(r'\\"command\\":\s*\\"((?:[^"\\]|\\[^"])*)\\"', file.read()):
                for one in shell_programs(text.replace("\\\\n", "\n")):
                    found.setdefault((one, "shell"), set()).add(os.path.relpath(path, ROOT))
    return found
