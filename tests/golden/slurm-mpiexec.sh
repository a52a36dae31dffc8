#!/bin/bash
#SBATCH --job-name=habcde-3mv
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=64
#SBATCH --time=91
#SBATCH --mem=200000M
#SBATCH --gpus-per-node=4
#SBATCH --partition=prod
#SBATCH --account=phy123
#SBATCH --export=NONE
#SBATCH --no-requeue
#SBATCH --chdir=/scratch/me/workers/4711
#SBATCH --output=/scratch/me/workers/4711/batch.log
#SBATCH --open-mode=append
# Worker 4711 of CERN_edge; made by harvester_hpc for this one submission.

batch_id="$SLURM_JOB_ID"
restart="${SLURM_RESTART_COUNT:-0}"
access_point=/scratch/me/workers/4711
cd "$access_point" || exit 1

# First act: claim the access point. A second copy of this batch job, for whatever reason there is one, ends here.
claim=worker_claim.json
mine="$claim.$batch_id.$restart"

say() { echo "$(date -u +%Y-%m-%dT%H:%M:%SZ) batch job $batch_id: $*"; }

leave() { say "$2"; rm -f "$mine"; exit "$1"; }

claim_it() {
    printf '{"batch_id": "%s", "host": "%s", "pid": %d, "started": %d, "restart": %d}\n' \
        "$batch_id" "$(uname -n)" "$$" "$(date +%s)" "$restart" > "$mine" || leave 1 "cannot write into $access_point"
    if ln "$mine" "$mine.link" 2>/dev/null; then
        rm -f "$mine.link"
        # NFS may make a link and report that it failed: look who has it.
        ln "$mine" "$claim" 2>/dev/null || [ "$mine" -ef "$claim" ] || return 1
        [ ! -d "$claim.d" ]
        return
    fi
    # A file system without hard links.
    mkdir "$claim.d" 2>/dev/null && [ ! -e "$claim" ] && mv "$mine" "$claim"
}

take_over() {
    local held holder before
    held=$(cat "$claim" 2>/dev/null)
    holder=$(sed -n 's/.*"batch_id": *"\([^"]*\)".*/\1/p' <<< "$held")
    before=$(sed -n 's/.*"restart": *\([0-9]*\).*/\1/p' <<< "$held")
    [ "$holder" = "$batch_id" ] || leave 0 "the worker is claimed by batch job '$holder': nothing to do"
    [ "$restart" -gt "${before:-0}" ] || leave 0 "this run has claimed the worker before: nothing to do"
    leave 1 "restart $restart, which is not wanted here: ends"
}

claim_it || take_over
rm -f "$mine"

# Last act, however it comes to it: leave the exit code.
finish() {
    set +e
    local part="$access_point/worker_exit.json.$$"
    printf '{"exit_code": %d, "ended": %d, "terminated": %d}\n' "$1" "$(date +%s)" "$harvester_terminated" > "$part" && mv -f "$part" "$access_point/worker_exit.json"
    [ -d /scratch/me/workers/.doorbell ] && : > /scratch/me/workers/.doorbell/4711
}
harvester_terminated=0
trap 'finish $?' EXIT

# bash runs a trap only when its child has ended, unless it waits for it: hence "&" and "wait" below.
harvester_child=
harvester_again=0
harvester_told_to_end=0
forward() {
    harvester_again=1
    harvester_told_to_end=1
    [ -z "$harvester_child" ] || kill -TERM "$harvester_child" 2>/dev/null
}
# USR1 and USR2: what a site may have sent some minutes before the time limit (--signal=B:USR1@120).
trap forward USR1 USR2
trap 'harvester_terminated=1; forward' TERM

export HARVESTER_ID=CERN_edge
export HARVESTER_WORKER_ID=4711
export HARVESTER_ACCESS_POINT=/scratch/me/workers/4711
export HARVESTER_MAPTYPE=OneToMany
export HARVESTER_NNODE=2
export HARVESTER_NTASKS=4
export HARVESTER_BATCH_ID="$batch_id"
# With --export=NONE, srun would start its steps with an empty environment.
export SLURM_EXPORT_ENV=ALL
set +e
export HARVESTER_OUTER_PYTHONPATH="${PYTHONPATH-}"
export PYTHONPATH=/opt/harvester:/opt/harvester/launchers"${PYTHONPATH:+:$PYTHONPATH}"
[ "$harvester_told_to_end" = 0 ] || exit 143
mpiexec -n 4 -ppn 2 -bind-to none /opt/python/bin/python3 -m harvester_launch yoda --access-point /scratch/me/workers/4711 --walltime 5430 --ranks 4 --cores-per-node 64 &
harvester_child=$!
[ "$harvester_told_to_end" = 0 ] || kill -TERM "$harvester_child"
harvester_again=1
while [ "$harvester_again" = 1 ]; do
    harvester_again=0
    wait "$harvester_child"
    harvester_rc=$?
done
harvester_child=
# Results that are on disk and were not told, because a rank or its launcher was killed.
[ "$harvester_rc" = 0 ] || /opt/python/bin/python3 -m harvester_launch yoda --access-point /scratch/me/workers/4711 --salvage
exit "$harvester_rc"
