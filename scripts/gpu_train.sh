#!/usr/bin/env bash
# Trains on one GPU in slices of less than ten minutes, each a call:
#     scripts/gpu_train.sh PACKED WORK OUT --minutes TOTAL [--slice-minutes 9] [--clips 64]
# PACKED: what `scripts/gpu_train.py pack motions.npz PACKED` made: the motions of a run of
# genmo-rt train, small enough to travel. WORK: a folder that stays on the machine between the
# calls; the state lives there and the next slice goes on from it. OUT: gets log.jsonl and the
# weights in parts of at most 15 MiB (`cat OUT/model.safetensors.* > model.safetensors`). On
# another machine, or after WORK is gone, `--init model.safetensors` begins with those weights.
# Needs python3 with torch, triton, numpy and safetensors. Tried on a CPU (--device cpu); it has
# not been run on a GPU yet.
set -euo pipefail
if [ $# -lt 3 ]; then
    sed -n '2,11s/^# //p' "$0" >&2
    exit 2
fi
here="$(cd "$(dirname "$0")/.." && pwd)"
export PYTHONPATH="$here:$here/kernels${PYTHONPATH:+:$PYTHONPATH}" OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
exec "${PYTHON:-python3}" "$here/scripts/gpu_train.py" train "$@"
