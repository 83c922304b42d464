#!/usr/bin/env bash
# Parity, soak and benchmarks of the kernels on one GPU: scripts/gpu_suite.sh FOLDER [--quick]
# Needs python3 with torch, triton and numpy; ends within ten minutes. FOLDER gets suite.json,
# suite.md and roofline.svg. --quick runs everything small, on the CPU in Triton's interpreter: a test
# of this script. --sections NAME … runs some of it. It has not been run on a GPU yet.
set -euo pipefail
if [ $# -lt 1 ]; then
    sed -n '2,5s/^# //p' "$0" >&2
    exit 2
fi
here="$(cd "$(dirname "$0")/.." && pwd)"
export PYTHONPATH="$here:$here/kernels${PYTHONPATH:+:$PYTHONPATH}"
export CUBLAS_WORKSPACE_CONFIG="${CUBLAS_WORKSPACE_CONFIG:-:4096:8}" # for deterministic products
case " $* " in *" --quick "*) export TRITON_INTERPRET=1 GENMO_KERNELS_BACKEND=triton ;; esac
exec timeout --signal=INT --kill-after=5 590 "${PYTHON:-python3}" "$here/scripts/gpu_suite.py" "$@"
