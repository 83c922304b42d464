#!/usr/bin/env bash
# Trains the default checkpoint on one GPU in slices of less than ten minutes, each a call:
#     scripts/gpu_train.sh MOTIONS STATE OUT --minutes TOTAL [--slice-minutes 9] [--clips 64]
# MOTIONS: the motions.npz that a run of genmo_rt.train built. STATE: what the slice before wrote,
# or an empty folder. OUT: gets the state in parts of at most 15 MiB, the weights and the log; hand
# it to the next slice as STATE (82 MB for the small preset). Needs python3 with torch, triton,
# numpy and safetensors. Tried on a CPU (--device cpu); it has not been run on a GPU yet.
set -euo pipefail
if [ $# -lt 3 ]; then
    sed -n '2,7s/^# //p' "$0" >&2
    exit 2
fi
here="$(cd "$(dirname "$0")/.." && pwd)"
export PYTHONPATH="$here:$here/kernels${PYTHONPATH:+:$PYTHONPATH}" OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
exec "${PYTHON:-python3}" "$here/scripts/gpu_train.py" "$@"
