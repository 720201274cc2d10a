#!/bin/bash
# {{ tasks|length }} subjects and sessions, each a task of a job array, and then a job for the page
# of the dataset. Written by spinalprep {{ version }}.
#
#   bash {{ file }}    submits all of it; prints the numbers of the jobs
#   MOST=20 bash {{ file }}    the same, at most 20 tasks at once
#   sbatch --array=3 {{ file }}    task 3 alone (from 0)
#
# Give it again whenever something was lost: what is finished is not run again.
#SBATCH --job-name=spinalprep
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task={{ nprocs }}
#SBATCH --mem={{ memory_mb }}M
#SBATCH --time={{ minutes }}
#SBATCH --requeue
#SBATCH --signal=B:USR1@60
#SBATCH --output="{{ logs }}/%A_%a.txt"
{%- if slurm_args %}
#SBATCH {{ slurm_args }}
{%- endif %}
set -euo pipefail
script={{ file|quote }}
logs={{ logs|quote }}
command=({{ command|map('quote')|join(' ') }})
report=({{ report|map('quote')|join(' ') }})
{%- if python_path %}
export PYTHONPATH={{ python_path|quote }}
{%- endif %}

tasks=(
{%- for task in tasks %}
  {{ task|map('quote')|join(' ')|quote }}
{%- endfor %}
)

submit() {
  # an array has at most so many tasks; what is more goes into further arrays
  local most jobs=() from count
  most=$(scontrol show config | sed -n 's/^MaxArraySize *= *\([0-9]*\).*/\1/p')
  [ "${most:-0}" -gt 0 ] || most=1001
  for ((from = 0; from < ${#tasks[@]}; from += most)); do
    count=$((${#tasks[@]} - from < most ? ${#tasks[@]} - from : most))
    jobs+=("$(sbatch --parsable --array="0-$((count - 1))${MOST:+%$MOST}" \
      --export="ALL,SPINALPREP_FIRST=$from" "$script")")
  done
  # the cluster's name may follow, after a semicolon
  jobs=("${jobs[@]%%;*}")
  page=$(sbatch --parsable --job-name=spinalprep-page --cpus-per-task=1 --mem=2G --time=60 \
    --output="$logs/%j_page.txt" --dependency="afterany$(printf ':%s' "${jobs[@]}")" \
    --export=ALL,SPINALPREP_PAGE=1 "$script")
  echo "array: ${jobs[*]}   page: ${page%%;*}   output of the jobs: $logs"
}

if [ -z "${SLURM_JOB_ID:-}" ] || [ -z "${SLURM_ARRAY_TASK_ID:-}${SPINALPREP_PAGE:-}" ]; then
  submit
  exit
fi

cd {{ folder|quote }}
if [ -n "${SPINALPREP_PAGE:-}" ]; then
  exec "${report[@]}"
fi
eval "which=(${tasks[${SPINALPREP_FIRST:-0} + SLURM_ARRAY_TASK_ID]})"
{%- if scratch %}
# on the node's own disk, and gone afterwards; the shell of the job reads the name
work="{{ scratch }}/spinalprep_$SLURM_JOB_ID"
mkdir -p "$work"
"${command[@]}" "${which[@]}" --work-dir "$work" &
running=$!
for signal in TERM USR1; do
  # shellcheck disable=SC2064
  trap "kill -$signal $running" "$signal"
done
code=0
wait "$running" || code=$?
# a signal ends the wait, not what was waited for
if kill -0 "$running" 2> /dev/null; then wait "$running" || code=$?; fi
rm -rf "$work"
exit "$code"
{%- else %}
exec "${command[@]}" "${which[@]}"
{%- endif %}
