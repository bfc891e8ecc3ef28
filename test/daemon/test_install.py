"""`make install` into a folder: everything has its place, and a program builds against it through pkg-config."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from curated import LocalDaemon, strategies

ROOT = Path(__file__).resolve().parents[2]

TRAINER = """
#include <curated.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    struct curated_error error;
    const struct curated_options options = {.requests = argc > 1 ? argv[1] : NULL};
    struct curated *client = curated_open(&options, &error);
    struct curated_reply *reply = client ? curated_status(client, NULL, &error) : NULL;
    if (reply)
        printf("up %lld\\n", (long long)curated_reply_integer(reply, "uptime_ms", -1));
    else
        fprintf(stderr, "%s\\n", error.message);
    curated_reply_free(reply);
    curated_close(client);
    return reply ? 0 : 1;
}
"""

SELECTION = """
#include <selector/strategy/select.h>

int main(void)
{
    return sizeof(struct select_input) == 0;
}
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory, build: Path) -> Path:
    root = tmp_path_factory.mktemp("root")
    subprocess.run([ROOT / "deps" / "install-files", build, root, "/usr", "0.1.0"], check=True, cwd=ROOT)
    return root


def build_program(installed: Path, tmp_path: Path, package: str, source: str, *more: str) -> Path:
    environment = {
        **os.environ,
        "PKG_CONFIG_PATH": str(installed / "usr/lib/pkgconfig"),
        "PKG_CONFIG_SYSROOT_DIR": str(installed),
        "PKG_CONFIG_ALLOW_SYSTEM_CFLAGS": "1",
        "PKG_CONFIG_ALLOW_SYSTEM_LIBS": "1",
    }
    flags = subprocess.run(
        ["pkg-config", "--cflags", "--libs", package], env=environment, check=True, capture_output=True, text=True
    ).stdout.split()
    (tmp_path / "program.c").write_text(source)
    command = ["cc", "-std=c17", "-Wall", "-Wextra", "-Werror", *more, "program.c", "-o", "program", *flags]
    subprocess.run(command, check=True, cwd=tmp_path)
    return tmp_path / "program"


def test_everything_has_its_place(installed: Path) -> None:
    expected = [
        "usr/bin/curated",
        "usr/bin/curatectl",
        "usr/include/curated.h",
        "usr/include/curated/selector/strategy/select.h",
        "usr/lib/libcurated.so",
        "usr/lib/libcurated.so.0",
        "usr/lib/libcurated.so.0.1.0",
        "usr/lib/libcurated-select.so.0",
        "usr/lib/pkgconfig/libcurated.pc",
        "usr/lib/systemd/system/curated.service",
        "usr/share/bash-completion/completions/curatectl",
        "usr/share/doc/curated/protocol.md",
        "usr/share/man/man1/curatectl.1",
        "usr/share/man/man5/curated.conf.5",
        "usr/share/man/man8/curated.8",
        "etc/curated.conf",
    ]
    assert [path for path in expected if not (installed / path).exists()] == []


def test_a_configuration_that_is_there_is_kept(installed: Path, build: Path) -> None:
    configuration = installed / "etc/curated.conf"
    configuration.write_text('store = "/elsewhere";\n')
    subprocess.run([ROOT / "deps" / "install-files", build, installed, "/usr", "0.1.0"], check=True, cwd=ROOT)
    assert "/elsewhere" in configuration.read_text()


def test_the_daemon_reads_the_installed_configuration(build: Path, tmp_path: Path) -> None:
    """All of it but the store, which is given on the command line, with ports that are free."""
    command = [
        *(build / "curated", "--config", ROOT / "deps/curated.conf", f"--store={tmp_path}/store"),
        *("--requests=tcp://127.0.0.1:*", "--events=tcp://127.0.0.1:*"),
    ]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr
    lines = []
    for line in process.stderr:
        lines.append(line)
        if "msg=ready" in line:
            break
    process.terminate()
    assert process.wait(timeout=30) == 0, lines
    assert "msg=ready" in lines[-1]


def test_a_program_builds_against_the_library(installed: Path, tmp_path: Path, daemon: LocalDaemon) -> None:
    program = build_program(installed, tmp_path, "libcurated", TRAINER)
    environment = {**os.environ, "LD_LIBRARY_PATH": str(installed / "usr/lib")}
    done = subprocess.run([program, daemon.requests], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("up ")


def test_a_program_builds_against_selection(installed: Path, tmp_path: Path) -> None:
    build_program(installed, tmp_path, "libcurated-select", SELECTION)


def test_the_library_exports_its_api_only(build: Path) -> None:
    done = subprocess.run(["nm", "-D", "--defined-only", build / "libcurated.so"], check=True, capture_output=True, text=True)
    symbols = {line.split()[-1] for line in done.stdout.splitlines()}
    assert {symbol for symbol in symbols if not symbol.startswith("curated_")} == set()
    header = (ROOT / "clients/c/curated.h").read_text()
    assert {symbol for symbol in symbols if symbol not in header} == set()


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
def test_the_unit_is_well_formed(installed: Path, tmp_path: Path) -> None:
    unit = tmp_path / "curated.service"
    text = (installed / "usr/lib/systemd/system/curated.service").read_text()
    unit.write_text(text.replace("/usr/bin/curated", str(installed / "usr/bin/curated")))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True)
    assert "curated.service" not in done.stderr.replace("/etc/systemd", ""), done.stderr


def test_completion_knows_every_strategy() -> None:
    words = (ROOT / "clients/curatectl/completion.bash").read_text().split("compgen -W 'auto ")[1].split("'")[0]
    assert ["auto", *words.split()] == strategies()


def test_completion_loads_and_completes(build: Path) -> None:
    script = f"""
        PATH={build.resolve()}:$PATH
        source {ROOT}/clients/curatectl/completion.bash
        complete_line() {{ COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _curatectl; echo "${{COMPREPLY[*]}}"; }}
        complete_line curatectl sta
        complete_line curatectl project cr
        complete_line curatectl plan --part
        complete_line curatectl plan --parameter ma
        complete_line curatectl next --parameter = r
        complete_line curatectl next --strategy = typ
        complete_line curatectl -p x next -s ent
        complete_line curatectl drain o
    """
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "status",
        "create",
        "--partial",
        "margin_pool=",
        "radius= redundancy=",
        "typiclust",
        "entropy",
        "on off",
    ], done.stderr
