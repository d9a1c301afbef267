#!/usr/bin/env bash
# Everything that needs a GPU, in one command, for a machine that is lent for minutes and has no network.
#
#     bench/on_gpu.sh pack IMAGES     here: what such a machine lacks, into .gpu/ (IMAGES: cifar10-jpeg.tar.xz)
#     bench/on_gpu.sh run OUT         there: .gpu/ is unpacked; what docs/results.md needs lies in OUT afterwards
#     bench/on_gpu.sh trial OUT       here, on the CPU: the same steps with drawn pictures, which shows that they run
#
# Each step has its own limit and its own log, and the next one runs whatever came of it. The order is that of worth:
# graded trainings in the sandbox first. `check --train` trains and judges as `grade` does, and needs no gradebook: with
# nbgrader's packages the whole would be over 64 MiB. PYTHON names the interpreter that has PyTorch (default: python3).
set -uo pipefail
cd "$(dirname "$0")/.."

packed=.gpu
wheels="annotated-types fastjsonschema jsonschema jsonschema-specifications jupyter-core jupytext mdit-py-plugins nbformat
    platformdirs pydantic pydantic-core pyseccomp referencing rpds-py traitlets typing-inspection"

pack() {
    [ -f "${1:-}" ] || { echo "error: which images? bench/on_gpu.sh pack cifar10-jpeg.tar.xz" >&2; exit 2; }
    rm -rf "$packed"
    mkdir -p "$packed/wheels" "$packed/debs"
    local pins=()
    for name in $wheels; do
        pins+=("$(grep -i -E "^${name//[-_]/[-_]}==" requirements.txt)") || { echo "error: $name isn't pinned" >&2; exit 1; }
    done
    local platforms=()
    for version in _2_28 _2_27 _2_17 2014 1; do platforms+=(--platform "manylinux${version}_x86_64"); done
    .venv/bin/python -m pip download -q --no-deps --only-binary=:all: --python-version 3.12 --implementation cp \
        "${platforms[@]}" -d "$packed/wheels" "${pins[@]}" || exit 1
    (cd "$packed/debs" && apt-get download bubblewrap libcap2 libseccomp2) || exit 1
    cp "$1" "$packed/cifar10-jpeg.tar.xz"
    du -sh "$packed"
}

# step LIMIT_S NAME COMMAND...: its output in OUT/NAME.log, its end and its seconds in OUT/steps.txt.
step() {
    local limit=$1 name=$2 began=$SECONDS
    shift 2
    timeout --kill-after=10 "$limit" "$@" >"$out/$name.log" 2>&1
    echo "$name: exit $?, $((SECONDS - began)) s" | tee -a "$out/steps.txt"
}

autograder() { step "$1" "$2" "$python" -m autograder "${@:3}"; }

measure() { # DATA PROTOCOL EPOCHS GPU_OPTIONS...
    local data=$1 protocol=$2 epochs=$3
    shift 3
    step 60 machine "$python" -c 'import torch; print(torch.__version__, torch.cuda.is_available() and torch.cuda.get_device_name())'
    autograder 60 doctor doctor
    local graded=(check --train --sandbox bwrap --data "$data" --protocol "$protocol" --json)
    autograder 300 hw6-solution "${graded[@]}" solution/hw6/hw6.py
    for student in s0163-priya-raman s0279-david-mensah; do
        autograder 300 "hw6-$student" "${graded[@]}" "$(ls examples/submissions/hw6/$student/*)" --homework hw6
    done
    autograder 300 resnet50-solution "${graded[@]}" solution/resnet50/resnet50_skeleton.py
    step 240 record "$python" solution/hw6/record.py --data "$data"
    for model in vgg16 resnet20-long; do
        autograder 300 "pretrain-$model" pretrain "$model" --data "$data" --out "$out/checkpoints" $epochs
    done
    step 300 gpu "$python" bench/gpu.py --data "$data" --out "$out/gpu.json" "$@"
    rm -rf "$out/checkpoints"/*.partial
}

out=${2:-}
case ${1:-} in
pack)
    pack "$out"
    exit
    ;;
run | trial) [ -n "$out" ] || { echo "error: where to? bench/on_gpu.sh $1 OUT" >&2; exit 2; } ;;
*)
    sed -n '2,/^set/s/^# \{0,1\}//p' "$0"
    exit 2
    ;;
esac

mkdir -p "$out"
out=$(cd "$out" && pwd)
: >"$out/steps.txt"
if [ "$1" = run ]; then
    python=${PYTHON:-python3}
    for deb in "$packed"/debs/*.deb; do dpkg -x "$deb" / || echo "not unpacked: $deb" >>"$out/steps.txt"; done
    ldconfig
    "$python" -m pip install -q --no-index --no-deps --no-compile --target "$packed/site" "$packed"/wheels/*.whl || exit 1
    export PYTHONPATH="$PWD/$packed/site:$PWD"
    autograder 120 data data fetch --from "$packed/cifar10-jpeg.tar.xz" --name cifar10-jpeg
    measure data/cifar10-jpeg full "" --full --minutes 4
else
    python=${PYTHON:-.venv/bin/python}
    autograder 60 data data practice
    measure data/practice preview "--epochs 1" --device cpu --batches 4 --only alone --minutes 1
fi
